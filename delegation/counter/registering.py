"""Registering a resident who stands at the counter, or her renewed card: two staff, one after the other.

The first has her card read, compares what it says with the register, and says who she is. The second finds
it on the counter's list, compares with her too, and confirms; only then does anything happen. Neither is she,
nor of her name and birth date: a staff member's own card is for two others.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from sqlmodel import Session, col, update

from assurance import counter, people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.levels import ACTING, FRESH_TWO_FACTORS, Requirement
from assurance.linking import LinkedCard
from assurance.login import Login
from assurance.mail import Mail
from assurance.notices import Notice, notices_of
from assurance.person import PersonId, new_id
from assurance.roles import Role
from assurance.wards import ward_name
from card.container import CardEvidence, SigningPurpose
from card.dates import end_of, ward_day
from card.faults import Fault
from delegation.assured import required
from delegation.counter import read_cards
from delegation.counter.papers import Named
from delegation.counter.read_cards import Choice, ReadCard
from delegation.counter.tables import CounterCardRow
from delegation.counter.visiting import STAFF_PART, record, staff_login
from delegation.parts import Errand, Parts
from delegation.staffing.staff import roles_now

FRESH: Final = Requirement(ACTING, fresh_within=FRESH_TWO_FACTORS.fresh_within)
"""What the second staff member needs: a browser that a colleague left open confirms nothing."""
_ANSWER_WAITS: Final = timedelta(minutes=5)
"""How long after its request the answer may still come in."""


def ask_for_card(unit: Unit, parts: Parts, login: Login | None, locale: str) -> Errand:
    """Ask both keys of the resident's card to sign that she is to be registered.

    :param locale: her language: what she signs is what she reads.
    :raises Fault: `login.needed`, `request.unknown_page`.
    """
    staff, now = staff_login(unit.session, parts, login), parts.clock.now()
    row = CounterCardRow(
        ward=unit.ward,
        id=new_id(),
        staff=staff.person,
        began_at=now,
        expires_at=now + SigningPurpose.LINK.lifetime + _ANSWER_WAITS,
    )
    unit.session.add(row)
    return parts.signing.ask(
        unit,
        SigningPurpose.LINK,
        row.id,
        locale=locale,
        text=parts.pages.text(locale, "delegation.counter.card.text", ward=ward_name(unit.ward, locale)),
        pages=(parts.address(f"/counter/cards/{row.id}"), parts.address("/counter/cards/new")),
    )


def _check_stranger(staff: PersonId, concerned: Collection[PersonId | None]) -> None:
    if staff in concerned:
        raise Fault("counter.self")


def take_in(
    unit: Unit, parts: Parts, login: Login | None, id_: str, both: tuple[CardEvidence, CardEvidence]
) -> list[Mail]:
    """Take in what both keys of the resident's card signed; nothing of it counts yet.

    :returns: no mails.
    :raises Fault: `request.unknown_page`; `counter.cards_differ` also where the status is not known;
        `counter.self`, `counter.card_over`.
    """
    staff, now, card = staff_login(unit.session, parts, login), parts.clock.now(), LinkedCard(*both)
    _check_stranger(staff.person, read_cards.known_by(unit.session, parts, card))
    ends = (end_of(ward_day(now)), *(signed.certificate.not_after for signed in both))
    taken = unit.session.exec(
        update(CounterCardRow)
        .where(
            col(CounterCardRow.ward) == unit.ward,
            col(CounterCardRow.id) == id_,
            col(CounterCardRow.staff) == staff.person,
            col(CounterCardRow.card).is_(None),
            col(CounterCardRow.expires_at) > now,
        )
        .values(card=read_cards.seal_card(parts, id_, staff.person, card), expires_at=min(ends))
    )
    if taken.rowcount != 1:
        raise Fault("counter.card_over")
    return []


def look(unit: Unit, parts: Parts, login: Login | None, id_: str) -> tuple[ReadCard, bool]:
    """A card with whom it may be of; they read in their records that they were looked at.

    :returns: it, and whether it was this staff member who had it read.
    :raises Fault: `login.needed`, `request.unknown_page`, `counter.card_over`, `counter.self`.
    """
    staff = staff_login(unit.session, parts, login)
    read = _open_to(unit.session, parts, staff.person, id_)
    for person in read.known:
        record(unit, parts, EventName.COUNTER_CARD_COMPARED, person, staff.person)
    return read, read.staff == staff.person


def _open_to(session: Session, parts: Parts, staff: PersonId, id_: str) -> ReadCard:
    """A card on which this staff member takes a step: the first one, or once that one chose, any other."""
    read = read_cards.find(session, parts, id_)
    if read.staff != staff and read.choice is None:
        raise Fault("counter.card_over")
    _check_stranger(staff, read.known)
    return read


def choose(unit: Unit, parts: Parts, login: Login | None, id_: str, choice: Choice) -> None:
    """Say whose card it is, once: from then on it waits for the second staff member.

    :raises Fault: `login.needed`, `request.unknown_page`, `counter.card_over`, `counter.self`;
        `counter.cards_differ`, `counter.taken`, `counter.known` for a choice that cannot come true.
    """
    staff, now = staff_login(unit.session, parts, login), parts.clock.now()
    read = _open_to(unit.session, parts, staff.person, id_)
    _check(read, choice)
    _check_stranger(staff.person, {choice.person})
    chosen = unit.session.exec(
        update(CounterCardRow)
        .where(
            col(CounterCardRow.ward) == unit.ward,
            col(CounterCardRow.id) == id_,
            col(CounterCardRow.staff) == staff.person,
            col(CounterCardRow.choice).is_(None),
        )
        .values(choice=read_cards.seal_choice(parts, read, choice))
    )
    if chosen.rowcount != 1:
        raise Fault("counter.card_over")
    unit.record(Event(EventName.COUNTER_CARD_ENTERED, unit.ward, now, {staff.person: STAFF_PART}))


def _check(read: ReadCard, choice: Choice) -> None:
    if not read.holders <= {choice.person}:
        raise Fault("counter.taken")
    if choice.person is not None:
        return
    if read.card.profile is None:
        raise Fault("counter.cards_differ")
    if set(choice.not_these) != set(read.known):
        raise Fault("counter.known")


def new_person(not_these: Collection[str]) -> Choice:
    """She is nobody who is known, and none of these."""
    return Choice(None, tuple(sorted(PersonId(person) for person in not_these)))


def known_person(read: ReadCard, person: str) -> Choice:
    """She is one of those who are known by the card.

    :raises Fault: `counter.known` for anybody else.
    """
    found = read.known.get(PersonId(person))
    if found is None:
        raise Fault("counter.known")
    shown = read.card.profile
    same = shown is not None and people.name_key(shown.name, shown.birth_date) == people.name_key(
        found.name, found.birth_date
    )
    return Choice(PersonId(person), by_eye=not same)


def renamed_person(session: Session, parts: Parts, read: ReadCard, before: Named) -> Choice:
    """She is known by another name, as her papers show; her birth date does not change.

    :raises Fault: `counter.nobody` unless exactly one person is known by it.
    """
    if read.says.birth_date not in {None, before.birth_date}:
        raise Fault("counter.nobody")
    found = people.named(session, parts.vault, parts.ward.code, before.name, before.birth_date)
    if len(found) != 1:
        raise Fault("counter.nobody")
    return Choice(found[0], by_eye=True)


def confirm(unit: Unit, parts: Parts, login: Login | None, id_: str) -> list[Mail]:
    """Confirm as the second staff member: the resident is registered, or her card takes the place of another.

    Every rule is judged again, with what is so now.

    :returns: mails to a person who was known.
    :raises Fault: `login.needed` also for a login that is not fresh; `request.unknown_page`,
        `counter.card_over`, `counter.self`; `counter.staff` for the first one, or where they are staff no
        more; what `counter.register` and `counter.relink` say.
    """
    second = staff_login(unit.session, parts, required(parts, login, FRESH)).person
    read, now = _open_to(unit.session, parts, second, id_), parts.clock.now()
    choice, first = read.choice, read.staff
    if choice is None:
        raise Fault("counter.card_over")
    if first == second or Role.STAFF not in roles_now(unit.session, unit.ward, first, now):
        raise Fault("counter.staff")
    if first in read.known:
        raise Fault("counter.self")
    read_cards.remove(unit, read)
    person, mails = _carry_out(unit, parts, read.card, choice, (first, second))
    told = {person: dict[str, str](), **dict.fromkeys((first, second), STAFF_PART)}
    clear = {"new": choice.person is None, "by_eye": choice.by_eye}
    unit.record(Event(EventName.COUNTER_CARD_CONFIRMED, unit.ward, now, told, clear))
    return mails


def _carry_out(
    unit: Unit, parts: Parts, card: LinkedCard, choice: Choice, staff: tuple[PersonId, PersonId]
) -> tuple[PersonId, list[Mail]]:
    vault, now = parts.vault, parts.clock.now()
    if choice.person is None:
        made = counter.register(
            unit,
            vault,
            parts.thresholds,
            card,
            staff=staff,
            address_read_back=None,
            now=now,
            not_these=choice.not_these,
        )
        return made, []
    counter.relink(
        unit,
        vault,
        parts.thresholds,
        card,
        choice.person,
        staff=staff,
        compared_by_eye=choice.by_eye,
        now=now,
    )
    return choice.person, notices_of(
        unit.session, vault, parts.pages, parts.ward, choice.person, Notice.CARD_RELINKED, now
    )


def drop(unit: Unit, parts: Parts, login: Login | None, id_: str) -> None:
    """Let nothing come of it, as either of the two may.

    :raises Fault: `login.needed`, `request.unknown_page`, `counter.card_over`, `counter.self`.
    """
    staff = staff_login(unit.session, parts, login)
    read_cards.remove(unit, _open_to(unit.session, parts, staff.person, id_))
    dropped = {staff.person: STAFF_PART}
    unit.record(Event(EventName.COUNTER_CARD_DROPPED, unit.ward, parts.clock.now(), dropped))
