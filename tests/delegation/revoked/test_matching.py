"""Lists are matched with mandates: what each reason does, to whom it is told, and that it happens once."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags
from sqlmodel import select, update

from assurance.mail import Mail, MailFailed
from assurance.sealed import MasterKeys, PersonKey
from card.certificates import Purpose
from card.dates import ward_day
from card.test_authority import TestAuthority
from delegation.audit.tables import LeafRow
from delegation.revoked import matching
from delegation.revoked.matching import Matched, hold_overdue, match
from delegation.tables import GrantRow, HoldRow, MandateRow
from idp.delegating import parts_of
from tests.conftest import FixedClock
from tests.delegation.offices.conftest import Office, office
from tests.delegation.revoked.conftest import Rechecked, rechecked, serial_of, usable
from tests.delegation.test_acting import act, by_passkey, decider, question
from tests.delegation.test_records import number, records
from tests.idp.conftest import WardSystem

__all__ = ["decider", "office", "rechecked"]

HANAKO = "hanako@example.jp"
RENEWED, REVIEWED, STOPPED = (
    "署名用の電子証明書が新しくなりました",
    "電子証明書の失効を確かめています",
    "カードのため、委任を止めました",
)
LOST = [ReasonFlags.certificate_hold, ReasonFlags.key_compromise]
UNKNOWN = [
    None,
    ReasonFlags.unspecified,
    ReasonFlags.affiliation_changed,
    ReasonFlags.cessation_of_operation,
    ReasonFlags.privilege_withdrawn,
    ReasonFlags.ca_compromise,
]
NOTHING_NEW = Matched(listed=1, new=0, reviews=0, holds=0)


def leaves(ward: Rechecked) -> int:
    with ward.town.services.database.reading() as session:
        return len(session.exec(select(LeafRow)).all())


def test_superseded_is_a_notice_to_the_principal_and_nobody_else_learns_of_it(
    rechecked: Rechecked, portal: WardSystem, decider: Callable[..., Any]
) -> None:
    town = rechecked.town
    grant = town.active()
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    number(town)

    def seen_by_others() -> list[str]:
        delegate = [town.yuki.get(path).text for path in ("/grants", f"/grants/{grant}", "/records")]
        return [*delegate, str(portal.post("/introspect", {"token": token}).json())]

    before = seen_by_others()
    rechecked.mails()
    done = rechecked.revoke(town.hanako, ReasonFlags.superseded)
    assert done == Matched(listed=1, new=1, reviews=0, holds=0)
    assert rechecked.mails() == [(HANAKO, RENEWED)]
    assert rechecked.holds() == []
    number(town)
    assert seen_by_others() == before
    assert decider(question(token)).json()["decision"] is True
    assert "委任状に署名したときの電子証明書が、失効しました。" in records(town.hanako)


def test_an_office_learns_nothing_of_superseded(rechecked: Rechecked, office: Office) -> None:
    hanako = rechecked.town.hanako
    grant = office.active(hanako)
    number(rechecked.town)

    def seen() -> list[str]:
        paths = ("/grants", f"/grants/{grant}", "/records", f"/offices/{office.id}")
        return [who.get(path).text for who in (office.sato, office.admin) for path in paths]

    before = seen()
    rechecked.mails()
    rechecked.revoke(hanako, ReasonFlags.superseded)
    assert rechecked.mails() == [(HANAKO, RENEWED)]
    number(rechecked.town)
    assert seen() == before


@pytest.mark.parametrize("reason", LOST)
def test_a_stopped_or_compromised_card_holds_at_once_and_the_decision_refuses(
    rechecked: Rechecked, portal: WardSystem, decider: Callable[..., Any], reason: ReasonFlags
) -> None:
    town = rechecked.town
    grant = town.active()
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    assert decider(question(token)).json()["decision"] is True
    rechecked.mails()
    done = rechecked.revoke(town.hanako, reason)
    assert done == Matched(listed=1, new=1, reviews=0, holds=1)
    assert decider(question(token)).json()["decision"] is False
    assert not usable(portal, token)
    (hold,) = rechecked.holds()
    assert (hold.kind, hold.target, hold.cause, hold.placed_by) == ("grant", grant, "card_lost", "ward")
    assert rechecked.mails() == [(HANAKO, STOPPED)]
    assert "電子証明書が失効したため、委任が止まりました。" in records(town.hanako)
    assert not [text for text in records(town.yuki) if "電子証明書" in text]


@pytest.mark.parametrize("reason", UNKNOWN)
def test_a_reason_that_does_not_tell_waits_for_staff_and_holds_after_two_weeks(
    rechecked: Rechecked, portal: WardSystem, clock: FixedClock, reason: ReasonFlags | None
) -> None:
    town = rechecked.town
    grant = town.active()
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    rechecked.mails()
    assert rechecked.revoke(town.hanako, reason) == Matched(listed=1, new=1, reviews=1, holds=0)
    (row,) = rechecked.rows()
    assert (row.grant, row.hold_at, row.settled_at) == (grant, clock.now() + timedelta(days=14), None)
    assert usable(portal, token)
    assert (rechecked.mails(), rechecked.holds()) == ([(HANAKO, REVIEWED)], [])
    clock.advance(timedelta(days=14, seconds=-1))
    assert hold_overdue(rechecked.parts) == 0
    clock.advance(timedelta(seconds=1))
    assert hold_overdue(rechecked.parts) == 1
    assert hold_overdue(rechecked.parts) == 0
    (hold,) = rechecked.holds()
    assert (hold.target, hold.cause, hold.placed_at) == (grant, "card_lost", clock.now())
    assert rechecked.mails() == [(HANAKO, STOPPED)]
    assert rechecked.rows()[0].settled_at == clock.now()


@pytest.mark.parametrize("reason", [ReasonFlags.superseded, None, *LOST])
def test_a_job_that_is_repeated_does_nothing_more(rechecked: Rechecked, reason: ReasonFlags | None) -> None:
    rechecked.town.active()
    rechecked.revoke(rechecked.town.hanako, reason)
    rechecked.mails()
    before = (rechecked.rows(), rechecked.holds(), leaves(rechecked))
    for _ in range(2):
        assert rechecked.revoke(rechecked.town.hanako, reason) == NOTHING_NEW
    assert (rechecked.rows(), rechecked.holds(), leaves(rechecked)) == before
    assert rechecked.mails() == []


class _Crash(BaseException):
    """As a kill would: nothing in the job catches it."""


def test_a_job_that_was_cut_off_is_ended_by_the_next_without_doing_anything_twice(
    rechecked: Rechecked, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = rechecked.town
    town.active()
    office.active(town.yuki)
    both = {serial_of(who.card): ReasonFlags.key_compromise for who in (town.hanako, town.yuki)}
    rechecked.publish(both)
    rechecked.mails()
    taken, take_up = [], matching._take_up

    def cut_off(*arguments: Any) -> Matched:
        if taken:
            raise _Crash
        taken.append(arguments)
        return take_up(*arguments)

    monkeypatch.setattr(matching, "_take_up", cut_off)
    with pytest.raises(_Crash):
        rechecked.match()
    monkeypatch.undo()
    assert len(rechecked.holds()) == len(rechecked.mails()) == 1
    assert rechecked.match() == Matched(listed=2, new=1, reviews=0, holds=1)
    assert (len(rechecked.holds()), len(rechecked.mails())) == (2, 1)
    assert len({hold.target for hold in rechecked.holds()}) == 2


@pytest.mark.parametrize("reason", [None, ReasonFlags.key_compromise])
def test_two_jobs_at_once_take_each_thing_up_once(
    rechecked: Rechecked, monkeypatch: pytest.MonkeyPatch, reason: ReasonFlags | None
) -> None:
    """Both have seen what is new before either takes it up."""
    rechecked.town.active()
    rechecked.publish({serial_of(rechecked.town.hanako.card): reason})
    rechecked.mails()
    together, done, found = threading.Barrier(2), list[Matched](), matching._named

    def seen(*arguments: Any) -> Any:
        new = found(*arguments)
        together.wait(30)
        return new

    monkeypatch.setattr(matching, "_named", seen)
    jobs = [threading.Thread(target=lambda: done.append(rechecked.match())) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert sorted(result.new for result in done) == [0, 1]
    assert len(rechecked.rows()) == len(rechecked.mails()) == 1
    assert len(rechecked.holds()) == (0 if reason is None else 1)


def test_two_jobs_at_once_hold_what_is_overdue_once(
    rechecked: Rechecked, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rechecked.town.active()
    rechecked.revoke(rechecked.town.hanako, None)
    clock.advance(timedelta(days=14))
    rechecked.mails()
    together, done, hold = threading.Barrier(2), list[int](), matching._hold_overdue

    def seen(*arguments: Any) -> int:
        together.wait(30)
        return hold(*arguments)

    monkeypatch.setattr(matching, "_hold_overdue", seen)
    jobs = [threading.Thread(target=lambda: done.append(hold_overdue(rechecked.parts))) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert sorted(done) == [0, 1]
    assert len(rechecked.holds()) == len(rechecked.mails()) == 1


def test_rfc5280_6_3_3_a_list_that_is_stale_matches_nothing(rechecked: Rechecked, clock: FixedClock) -> None:
    rechecked.town.active()
    rechecked.publish({serial_of(rechecked.town.hanako.card): ReasonFlags.key_compromise})
    clock.advance(timedelta(hours=26))
    assert rechecked.match() == Matched(listed=0, new=0, reviews=0, holds=0)
    assert rechecked.holds() == []


def test_a_forged_list_matches_nothing(rechecked: Rechecked, tmp_path: Path) -> None:
    rechecked.town.active()
    forger = TestAuthority.create(tmp_path / "forger", rechecked.town.services.clock.now())
    serial = serial_of(rechecked.town.hanako.card)
    rechecked.publish({serial: ReasonFlags.key_compromise}, forger.roots[Purpose.SIGNATURE])
    assert rechecked.match() == Matched(listed=0, new=0, reviews=0, holds=0)
    path = rechecked.folder / "signature.crl"
    rechecked.publish({serial: ReasonFlags.key_compromise})
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert rechecked.match() == Matched(listed=0, new=0, reviews=0, holds=0)
    assert rechecked.rows() == []


def test_a_list_of_another_pinned_generation_with_the_same_name_matches_nothing(
    rechecked: Rechecked, tmp_path: Path
) -> None:
    rechecked.town.active()
    other = TestAuthority.create(tmp_path / "next", rechecked.town.services.clock.now())
    generation = other.roots[Purpose.SIGNATURE]
    assert generation.certificate.subject == rechecked.root.certificate.subject
    rechecked.roots.append(generation.certificate)
    serial = serial_of(rechecked.town.hanako.card)
    rechecked.publish({serial: ReasonFlags.key_compromise}, generation)
    assert rechecked.match() == NOTHING_NEW
    assert (rechecked.rows(), rechecked.holds()) == ([], [])


def test_the_list_of_authentications_matches_nothing(rechecked: Rechecked, authority: TestAuthority) -> None:
    """Also where it names the same serial: that is another issuer's."""
    rechecked.town.active()
    root = authority.roots[Purpose.AUTHENTICATION]
    rechecked.roots = [root.certificate]
    rechecked.publish({serial_of(rechecked.town.hanako.card): ReasonFlags.key_compromise}, root)
    assert rechecked.match() == NOTHING_NEW


def test_a_certificate_that_leaves_the_list_again_lifts_nothing(rechecked: Rechecked) -> None:
    rechecked.town.active()
    rechecked.revoke(rechecked.town.hanako, ReasonFlags.certificate_hold)
    rechecked.publish({})
    assert rechecked.match() == Matched(listed=0, new=0, reviews=0, holds=0)
    assert [hold.lifted_at for hold in rechecked.holds()] == [None]


def test_a_hold_that_two_staff_lifted_is_not_placed_again_for_the_same_reason(
    rechecked: Rechecked, clock: FixedClock
) -> None:
    rechecked.town.active()
    rechecked.revoke(rechecked.town.hanako, ReasonFlags.certificate_hold)
    ward = rechecked.town.services.ward.code
    with rechecked.town.services.database.writing(ward) as unit:
        unit.session.exec(update(HoldRow).values(lifted_at=clock.now()))
    assert rechecked.revoke(rechecked.town.hanako, ReasonFlags.certificate_hold) == NOTHING_NEW
    assert len(rechecked.holds()) == 1
    rechecked.mails()
    assert rechecked.revoke(rechecked.town.hanako, ReasonFlags.key_compromise).holds == 1
    assert rechecked.mails() == [(HANAKO, STOPPED)]


@pytest.mark.parametrize("before", [ReasonFlags.superseded, None])
def test_a_worse_reason_than_before_is_taken_up(rechecked: Rechecked, before: ReasonFlags | None) -> None:
    rechecked.town.active()
    rechecked.revoke(rechecked.town.hanako, before)
    rechecked.mails()
    assert rechecked.revoke(rechecked.town.hanako, ReasonFlags.key_compromise).holds == 1
    assert rechecked.mails() == [(HANAKO, STOPPED)]
    (row,) = rechecked.rows()
    assert (row.reason, row.hold_at) == ("keyCompromise", None)
    assert row.settled_at is not None


def test_another_reason_for_staff_does_not_put_off_the_day(rechecked: Rechecked, clock: FixedClock) -> None:
    rechecked.town.active()
    rechecked.revoke(rechecked.town.hanako, ReasonFlags.affiliation_changed)
    (first,) = rechecked.rows()
    clock.advance(timedelta(days=13))
    assert rechecked.revoke(rechecked.town.hanako, None).reviews == 1
    (second,) = rechecked.rows()
    assert (second.reason, second.hold_at) == ("unspecified", first.hold_at)


def test_a_list_that_explains_itself_later_ends_the_review(rechecked: Rechecked, clock: FixedClock) -> None:
    rechecked.town.active()
    rechecked.revoke(rechecked.town.hanako, None)
    rechecked.mails()
    rechecked.revoke(rechecked.town.hanako, ReasonFlags.superseded)
    assert rechecked.mails() == [(HANAKO, RENEWED)]
    clock.advance(timedelta(days=15))
    assert hold_overdue(rechecked.parts) == 0


def test_what_is_held_is_not_said_to_go_on(rechecked: Rechecked) -> None:
    rechecked.town.active()
    rechecked.revoke(rechecked.town.hanako, ReasonFlags.certificate_hold)
    rechecked.mails()
    assert rechecked.revoke(rechecked.town.hanako, ReasonFlags.superseded).new == 1
    assert rechecked.mails() == []
    assert [hold.lifted_at for hold in rechecked.holds()] == [None]


def test_what_is_held_already_needs_no_review(rechecked: Rechecked) -> None:
    rechecked.town.active()
    rechecked.revoke(rechecked.town.hanako, ReasonFlags.certificate_hold)
    rechecked.mails()
    done = rechecked.revoke(rechecked.town.hanako, ReasonFlags.affiliation_changed)
    assert done == Matched(listed=1, new=1, reviews=0, holds=0)
    assert (rechecked.mails(), len(rechecked.holds())) == ([], 1)


def test_of_two_lists_that_name_a_certificate_the_newer_ones_reason_counts_however_often(
    rechecked: Rechecked, clock: FixedClock
) -> None:
    rechecked.town.active()
    serial = serial_of(rechecked.town.hanako.card)
    scoped = rechecked.folder / "scoped.crl"
    rechecked.publish({serial: ReasonFlags.superseded})
    clock.advance(timedelta(hours=1))
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(rechecked.root.certificate.subject)
        .last_update(clock.now())
        .next_update(clock.now() + timedelta(hours=2))
        .add_extension(
            x509.IssuingDistributionPoint(
                [x509.UniformResourceIdentifier("urn:x")], None, False, False, None, False, False
            ),
            critical=True,
        )
        .add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(serial)
            .revocation_date(clock.now())
            .add_extension(x509.CRLReason(ReasonFlags.key_compromise), critical=False)
            .build()
        )
    )
    made = builder.sign(rechecked.root.key, SHA256())
    scoped.write_bytes(made.public_bytes(Encoding.DER))
    assert rechecked.match().holds == 1
    assert [row.reason for row in rechecked.rows()] == ["keyCompromise"]
    for _ in range(2):
        assert rechecked.match() == Matched(listed=2, new=0, reviews=0, holds=0)


def test_several_grants_of_one_principal_are_one_mail(rechecked: Rechecked) -> None:
    first = rechecked.town.active()
    second = rechecked.town.active(procedure=["kaigo.plan.notify"])
    rechecked.mails()
    rechecked.publish({serial_of(rechecked.town.hanako.card): ReasonFlags.key_compromise})
    assert rechecked.match() == Matched(listed=1, new=2, reviews=0, holds=2)
    assert {hold.target for hold in rechecked.holds()} == {first, second}
    (mail,) = rechecked.town.mail.sent
    assert f"{rechecked.town.services.ward.origin}/grants\n" in mail.body


def test_only_active_grants_are_matched(rechecked: Rechecked, clock: FixedClock) -> None:
    """One that ended or is over harms nobody, and its principal is not frightened."""
    town = rechecked.town
    town.active()
    ended = town.active(procedure=["kaigo.plan.notify"])
    assert town.hanako.post(f"/grants/{ended}/end").status_code == 303
    clock.advance(timedelta(days=31))
    assert rechecked.revoke(town.hanako, ReasonFlags.key_compromise) == NOTHING_NEW
    clock.advance(timedelta(days=-31))
    assert rechecked.revoke(town.hanako, ReasonFlags.key_compromise).new == 1
    assert ended not in {row.grant for row in rechecked.rows()}


def test_a_grant_that_ended_under_review_is_not_held(rechecked: Rechecked, clock: FixedClock) -> None:
    grant = rechecked.town.active()
    rechecked.revoke(rechecked.town.hanako, None)
    assert rechecked.town.hanako.post(f"/grants/{grant}/end").status_code == 303
    clock.advance(timedelta(days=15))
    assert hold_overdue(rechecked.parts) == 0
    assert rechecked.holds() == []


def test_a_grant_that_is_over_before_its_review_is_not_held(rechecked: Rechecked, clock: FixedClock) -> None:
    last = ward_day(clock.now()) + timedelta(days=13)
    rechecked.town.active(last=last.isoformat())
    rechecked.revoke(rechecked.town.hanako, None)
    clock.advance(timedelta(days=14))
    assert hold_overdue(rechecked.parts) == 0
    assert rechecked.holds() == []


def test_another_persons_certificate_is_nobodys_here(rechecked: Rechecked) -> None:
    rechecked.town.active()
    assert rechecked.revoke(rechecked.town.yuki, ReasonFlags.key_compromise) == NOTHING_NEW


def test_another_wards_mandates_are_left_alone(rechecked: Rechecked) -> None:
    """Also where the other ward's row has our MAC: the same card makes another one there."""
    rechecked.town.active()
    with rechecked.town.services.database.writing(rechecked.town.services.ward.code) as unit:
        for table in (GrantRow, MandateRow):
            unit.session.exec(update(table).values(ward="131121"))
    assert rechecked.revoke(rechecked.town.hanako, ReasonFlags.key_compromise) == NOTHING_NEW


def test_the_mandates_of_a_person_who_was_erased_are_held_without_a_word(rechecked: Rechecked) -> None:
    """The mandate outlives her data key, and so does what the delegate could do with it."""
    town = rechecked.town
    grant = town.active()
    with town.services.database.writing(town.services.ward.code) as unit:
        unit.session.delete(unit.session.get_one(PersonKey, (unit.ward, town.hanako.person)))
    rechecked.mails()
    assert rechecked.revoke(town.hanako, ReasonFlags.key_compromise).holds == 1
    assert ([hold.target for hold in rechecked.holds()], rechecked.mails()) == ([grant], [])


def test_mandates_from_before_a_key_rotation_are_found(rechecked: Rechecked) -> None:
    grant = rechecked.town.active()
    services = rechecked.town.services
    master, new = services.vault._master, MasterKeys.generate()
    rotated = type(services.vault)(MasterKeys(new.current, {**master.keys, **new.keys}))
    rechecked.publish({serial_of(rechecked.town.hanako.card): ReasonFlags.key_compromise})
    assert match(parts_of(replace(services, vault=rotated)), rechecked.lists()).holds == 1
    assert [hold.target for hold in rechecked.holds()] == [grant]


def test_a_list_that_is_longer_than_what_is_asked_at_once_is_matched_whole(
    rechecked: Rechecked, monkeypatch: pytest.MonkeyPatch
) -> None:
    rechecked.town.active()
    monkeypatch.setattr(matching, "_AT_ONCE", 3)
    others: dict[int, ReasonFlags | None] = dict.fromkeys(range(1, 11))
    rechecked.publish(others | {serial_of(rechecked.town.hanako.card): ReasonFlags.key_compromise})
    assert rechecked.match() == Matched(listed=11, new=1, reviews=0, holds=1)


def test_a_job_that_is_stopped_ends_before_its_end(rechecked: Rechecked) -> None:
    rechecked.town.active()
    rechecked.publish({serial_of(rechecked.town.hanako.card): ReasonFlags.key_compromise})
    stopping = threading.Event()
    stopping.set()
    assert match(rechecked.parts, rechecked.lists(), stopping).new == 0
    assert rechecked.match().new == 1


def test_a_mail_that_is_not_taken_keeps_no_other_grant_from_being_held(
    rechecked: Rechecked, office: Office
) -> None:
    town = rechecked.town
    town.active()
    office.active(town.yuki)

    class Down:
        def send(self, mail: Mail) -> None:
            raise MailFailed from OSError(mail.subject)

    parts = parts_of(replace(town.services, mailer=Down()))
    rechecked.publish({serial_of(who.card): ReasonFlags.key_compromise for who in (town.hanako, town.yuki)})
    assert match(parts, rechecked.lists()).holds == 2
