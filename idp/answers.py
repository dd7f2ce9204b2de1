"""One-time answers: what a third party brought back waits behind a handle.

The handle is a cookie of the browser that brought it, and completing needs the interaction's cookie too:
checking that one alone lets an attacker harvest the answer of someone whom he sent the genuine link.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import col, update
from starlette.requests import Request

from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.handles import hashed, new_handle
from idp import interactions
from idp.cookies import Cookie, Cookies, dropped, name_of
from idp.faults import Stranded
from idp.interactions import LOGINS, Interaction
from idp.services import Services
from idp.tables import InteractionRow

_LIFETIME: Final = timedelta(seconds=120)
_BY: Final = "by"
_CARD: Final = "card"


@dataclass(frozen=True, slots=True)
class Brought:
    """An answer in the browser that brought it *and* began the interaction; it is not taken yet.

    :param handle: its one-time handle.
    """

    interaction: Interaction
    answer: Mapping[str, str]
    handle: str


def _cookie(services: Services, id_: str, handle: str, lasts: timedelta) -> Cookie:
    return Cookie(name_of(services.ward.code, f"a-{id_}"), handle, int(lasts.total_seconds()))


def dropped_cookie(services: Services, id_: str) -> Cookies:
    """What deletes the cookie of an answer that was taken."""
    return dropped(services.ward.code, f"a-{id_}")


def keep(unit: Unit, services: Services, id_: str, answer: Mapping[str, str], *, by: str = _CARD) -> Cookie:
    """Keep what was brought back, behind a handle that the browser gets as a cookie.

    :param by: whose answer it is; it is one at that party's page alone.
    :raises Stranded: `interaction.gone`.
    """
    row, handle, now = interactions.row_of(unit.session, services, id_), new_handle(), services.clock.now()
    if now >= row.expires_at:
        raise Stranded("interaction.gone")
    row.answer_hash = hashed(handle)
    content = json.dumps({**answer, _BY: by})
    row.answer = services.vault.seal_for("answer", content, interactions.place_of(row))
    row.answer_until = now + _LIFETIME
    return _cookie(services, id_, handle, _LIFETIME)


def brought(
    services: Services,
    request: Request,
    id_: str,
    *,
    by: str = _CARD,
    foreign: EventName = EventName.CARD_ANSWER_FOREIGN,
) -> Brought:
    """What came back to this browser.

    :param foreign: what the audit log calls one that came back to another.
    :raises Stranded: `interaction.gone`, also where nothing waits (any more); `interaction.foreign` for a
        missing or wrong cookie, which burns the interaction and is audited.
    """
    with services.database.reading(services.ward.code) as session:
        row, now = interactions.row_of(session, services, id_), services.clock.now()
        handle = request.cookies.get(name_of(services.ward.code, f"a-{id_}"), "")
        began = interactions.belongs(services, request, row)
        if began and (row.answer is None or row.answer_until is None or now >= row.answer_until):
            raise Stranded("interaction.gone", onward=_onward(services, interactions.read(services, row)))
        if began and row.answer and secrets.compare_digest(row.answer_hash or "", hashed(handle)):
            sealed, place = row.answer, interactions.place_of(row)
            answer: Mapping[str, str] = json.loads(services.vault.open_for("answer", sealed, place))
            interaction = interactions.read(services, row)
            if answer.get(_BY, _CARD) != by:
                raise Stranded("interaction.gone", onward=_onward(services, interaction))
            return Brought(interaction, answer, handle)
    with services.database.writing(services.ward.code) as unit:
        drop = interactions.close(unit, id_)
        unit.record(Event(foreign, unit.ward, services.clock.now()))
    raise Stranded("interaction.foreign", drop=drop)


def _onward(services: Services, interaction: Interaction) -> str:
    if interaction.kind in LOGINS:
        return services.address(f"/login?i={interaction.id}")
    return interaction.otherwise


def take(unit: Unit, brought: Brought) -> None:
    """Use an answer up; of two that take it at once one wins.

    :raises Stranded: `interaction.gone` for the other.
    """
    taken = unit.session.exec(
        update(InteractionRow)
        .where(
            col(InteractionRow.ward) == unit.ward,
            col(InteractionRow.id) == brought.interaction.id,
            col(InteractionRow.answer_hash) == hashed(brought.handle),
        )
        .values(answer=None, answer_hash=None, answer_until=None)
    )
    if taken.rowcount != 1:
        raise Stranded("interaction.gone")


def let_wait(unit: Unit, services: Services, brought: Brought, until: datetime) -> Cookie:
    """Keep an answer for longer: what it lacks is not the person's to bring.

    :param until: when what was asked for can no longer be answered.
    """
    unit.session.exec(
        update(InteractionRow)
        .where(
            col(InteractionRow.ward) == unit.ward,
            col(InteractionRow.id) == brought.interaction.id,
            col(InteractionRow.answer_hash) == hashed(brought.handle),
        )
        .values(answer_until=until)
    )
    return _cookie(services, brought.interaction.id, brought.handle, until - services.clock.now())
