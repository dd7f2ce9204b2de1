"""Interactions: raise this browser's login to what is needed, then go on.

Each has a cookie of its own. What comes back through a third party (the bridge) is kept behind a one-time
handle, and completing needs both in one browser: checking the interaction's cookie alone lets an attacker
harvest the answer of someone whom he sent the genuine link.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlmodel import Session
from starlette.requests import Request

from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.handles import hashed, new_handle
from assurance.levels import AAL, IAL, Level, Requirement
from assurance.login import Login
from assurance.person import new_id
from card.faults import Fault
from idp.cookies import Cookie, name_of
from idp.services import Services
from idp.tables import InteractionRow

_LIFETIME: Final = timedelta(hours=1)
_ANSWER: Final = timedelta(seconds=120)


@dataclass(frozen=True, slots=True)
class Interaction:
    """An interaction of this browser.

    :param browser: hash of its cookie, to bind challenges to.
    :param not_before: the person must have authenticated after this (`prompt=login`, `max_age`).
    """

    id: str
    kind: str
    browser: str
    return_to: str
    requirement: Requirement
    not_before: datetime | None
    payload: Mapping[str, Any]

    def is_met_by(self, login: Login | None, now: datetime) -> bool:
        """Whether this login is enough to go on."""
        if login is None or not login.assurance.meets(self.requirement, now):
            return False
        return self.not_before is None or login.assurance.auth_time >= self.not_before


def _place(row: InteractionRow) -> str:
    return f"{row.ward}/{row.id}"


def open_interaction(
    unit: Unit,
    services: Services,
    kind: str,
    *,
    return_to: str,
    requirement: Requirement,
    payload: Mapping[str, Any] | None = None,
    not_before: datetime | None = None,
) -> tuple[str, Cookie]:
    """Begin one.

    :param return_to: path of this origin; `{i}` in it becomes the interaction's id.
    """
    id_, secret, now = new_id(), new_handle(), services.clock.now()
    row = InteractionRow(
        ward=unit.ward,
        id=id_,
        kind=kind,
        browser=hashed(secret),
        return_to=return_to.replace("{i}", id_),
        ial=requirement.level.ial,
        aal=requirement.level.aal,
        not_before=not_before,
        payload=services.vault.seal_for("interaction", json.dumps(dict(payload or {})), f"{unit.ward}/{id_}"),
        created_at=now,
        expires_at=now + _LIFETIME,
    )
    unit.session.add(row)
    unit.session.flush()
    return id_, Cookie(name_of(unit.ward, f"i-{id_}"), secret, int(_LIFETIME.total_seconds()))


def _belongs(services: Services, request: Request, row: InteractionRow) -> bool:
    secret = request.cookies.get(name_of(services.ward.code, f"i-{row.id}"), "")
    return secrets.compare_digest(row.browser, hashed(secret))


def _live_row(session: Session, services: Services, id_: str) -> InteractionRow:
    if not (len(id_) == 32 and id_.isalnum() and id_.isascii()):
        raise Fault("interaction.gone")
    row = session.get(InteractionRow, (services.ward.code, id_))
    if row is None or services.clock.now() >= row.expires_at:
        raise Fault("interaction.gone")
    return row


def load(session: Session, services: Services, request: Request, id_: str) -> Interaction:
    """The interaction that this browser is in.

    :raises Fault: `interaction.gone` or `interaction.foreign`.
    """
    row = _live_row(session, services, id_)
    if not _belongs(services, request, row):
        raise Fault("interaction.foreign")
    payload = json.loads(services.vault.open_for("interaction", row.payload, _place(row)))
    requirement = Requirement(Level(IAL(row.ial), AAL(row.aal)))
    return Interaction(row.id, row.kind, row.browser, row.return_to, requirement, row.not_before, payload)


def keep(unit: Unit, services: Services, interaction: Interaction, payload: Mapping[str, Any]) -> None:
    """Change what an interaction remembers."""
    row = _live_row(unit.session, services, interaction.id)
    row.payload = services.vault.seal_for("interaction", json.dumps(dict(payload)), _place(row))


def close(unit: Unit, id_: str) -> Cookie:
    """End one.

    :returns: the cookie that deletes its own.
    """
    row = unit.session.get(InteractionRow, (unit.ward, id_))
    if row is not None:
        unit.session.delete(row)
    return Cookie(name_of(unit.ward, f"i-{id_}"), "", 0)


def keep_answer(unit: Unit, services: Services, id_: str, answer: Mapping[str, str]) -> Cookie:
    """Keep what a third party brought back, behind a handle that the browser gets as a cookie."""
    row, handle = _live_row(unit.session, services, id_), new_handle()
    row.answer_hash = hashed(handle)
    row.answer = services.vault.seal_for("answer", json.dumps(dict(answer)), _place(row))
    row.answer_until = services.clock.now() + _ANSWER
    return Cookie(name_of(unit.ward, f"a-{id_}"), handle, int(_ANSWER.total_seconds()))


def take_answer(
    unit: Unit, services: Services, request: Request, id_: str
) -> tuple[Interaction, Mapping[str, str]]:
    """Take the answer in the browser that brought it *and* began the interaction.

    :raises Fault: `interaction.gone`; `interaction.foreign`, which burns the interaction and is audited.
    """
    row, now = _live_row(unit.session, services, id_), services.clock.now()
    handle = request.cookies.get(name_of(services.ward.code, f"a-{id_}"), "")
    fits = row.answer_hash is not None and secrets.compare_digest(row.answer_hash, hashed(handle))
    in_time = row.answer_until is not None and now < row.answer_until
    if row.answer is None or not (fits and in_time and _belongs(services, request, row)):
        unit.session.delete(row)
        unit.record(Event(EventName.CARD_ANSWER_FOREIGN, unit.ward, now))
        raise unit.costly(Fault("interaction.foreign"))
    answer: Mapping[str, str] = json.loads(services.vault.open_for("answer", row.answer, _place(row)))
    row.answer = row.answer_hash = row.answer_until = None
    return load(unit.session, services, request, id_), answer
