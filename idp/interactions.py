"""Interactions: raise this browser's login to what is needed, then go on.

Each has a cookie of its own. None is a dead end: who comes late, or a second time, is told so and led on
(`Stranded`), back to the client that waits for an answer. That is why the cookie outlives its interaction by
as long as the row is kept.
"""

import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlmodel import Session, col, delete
from starlette.requests import Request

from assurance.database import Unit
from assurance.handles import hashed, new_handle
from assurance.levels import AAL, IAL, Level, Requirement
from assurance.login import Login
from assurance.person import new_id
from idp.cookies import Cookie, Cookies, dropped, name_of
from idp.faults import Stranded
from idp.services import Services
from idp.tables import InteractionRow

AUTHORIZE: Final = "authorize"
ACCOUNT: Final = "account"
LOGOUT: Final = "logout"
LOGINS: Final = frozenset({AUTHORIZE, ACCOUNT})
"""The kinds that the login pages serve."""
_LIFETIME: Final = timedelta(hours=1)
_TOLD_FOR: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Needed:
    """What a login must be before an interaction goes on.

    :param not_before: the person must have authenticated after this (`prompt=login`, `max_age`).
    """

    requirement: Requirement
    not_before: datetime | None = None

    def is_met_by(self, login: Login | None, now: datetime) -> bool:
        """Whether this login is enough."""
        if login is None or not login.assurance.meets(self.requirement, now):
            return False
        return self.not_before is None or login.assurance.auth_time >= self.not_before


@dataclass(frozen=True, slots=True)
class Interaction:
    """An interaction of this browser.

    :param browser: hash of its cookie, to bind challenges to.
    :param otherwise: where its browser is led when it did not come to its end.
    """

    id: str
    kind: str
    browser: str
    return_to: str
    otherwise: str
    needed: Needed
    payload: Mapping[str, Any]


def place_of(row: InteractionRow) -> str:
    """Where what is sealed of it lies."""
    return f"{row.ward}/{row.id}"


def _sealed(
    services: Services, place: str, payload: Mapping[str, Any], otherwise: str, requirement: Requirement
) -> bytes:
    fresh = requirement.fresh_within
    content = {
        "payload": dict(payload),
        "otherwise": otherwise,
        "fresh_within_s": None if fresh is None else fresh.total_seconds(),
        "phishing_resistant": requirement.phishing_resistant,
    }
    return services.vault.seal_for("interaction", json.dumps(content), place)


def read(services: Services, row: InteractionRow) -> Interaction:
    """An interaction from its row."""
    content = json.loads(services.vault.open_for("interaction", row.payload, place_of(row)))
    fresh = content["fresh_within_s"]
    requirement = Requirement(
        Level(IAL(row.ial), AAL(row.aal)),
        content["phishing_resistant"],
        None if fresh is None else timedelta(seconds=fresh),
    )
    needed = Needed(requirement, row.not_before)
    return Interaction(
        row.id, row.kind, row.browser, row.return_to, content["otherwise"], needed, content["payload"]
    )


def open_interaction(
    unit: Unit,
    services: Services,
    kind: str,
    *,
    return_to: str,
    requirement: Requirement,
    payload: Mapping[str, Any] | None = None,
    not_before: datetime | None = None,
    otherwise: str | None = None,
) -> tuple[str, Cookie]:
    """Begin one.

    :param return_to: path of this origin; `{i}` in it becomes the interaction's id.
    :param otherwise: where its browser is led when it does not come to its end; else `return_to`, which asks
        for what it needs anew.
    """
    id_, secret, now = new_id(), new_handle(), services.clock.now()
    back = return_to.replace("{i}", id_).replace("\0", "")  # which PostgreSQL keeps in no text
    row = InteractionRow(
        ward=unit.ward,
        id=id_,
        kind=kind,
        browser=hashed(secret),
        return_to=back,
        ial=requirement.level.ial,
        aal=requirement.level.aal,
        not_before=not_before,
        payload=_sealed(services, f"{unit.ward}/{id_}", payload or {}, otherwise or back, requirement),
        created_at=now,
        expires_at=now + _LIFETIME,
    )
    unit.session.add(row)
    unit.session.flush()
    lasts = int((_LIFETIME + _TOLD_FOR).total_seconds())
    return id_, Cookie(name_of(unit.ward, f"i-{id_}"), secret, lasts)


def cookies_of(services: Services, id_: str) -> Cookies:
    """What deletes an interaction's cookies."""
    return dropped(services.ward.code, f"i-{id_}", f"a-{id_}")


def belongs(services: Services, request: Request, row: InteractionRow) -> bool:
    """Whether it is this browser's."""
    secret = request.cookies.get(name_of(services.ward.code, f"i-{row.id}"), "")
    return secrets.compare_digest(row.browser, hashed(secret))


def row_of(session: Session, services: Services, id_: str) -> InteractionRow:
    """The row, live or late.

    :raises Stranded: `interaction.gone`.
    """
    if not (len(id_) == 32 and id_.isalnum() and id_.isascii()):
        raise Stranded("interaction.gone")
    row = session.get(InteractionRow, (services.ward.code, id_))
    if row is None:
        raise Stranded("interaction.gone", drop=cookies_of(services, id_))
    return row


def load(
    session: Session,
    services: Services,
    request: Request,
    id_: str,
    *,
    kinds: Collection[str] | None = None,
) -> Interaction:
    """The interaction that this browser is in.

    :param kinds: those that the page is for; another kind is no interaction to it.
    :raises Stranded: `interaction.gone` or `interaction.foreign`.
    """
    row = row_of(session, services, id_)
    late = services.clock.now() >= row.expires_at
    if kinds is not None and row.kind not in kinds:
        raise Stranded("interaction.gone")
    if not belongs(services, request, row):
        raise Stranded("interaction.gone" if late else "interaction.foreign")
    interaction = read(services, row)
    if late:
        raise Stranded("interaction.gone", onward=interaction.otherwise)
    return interaction


def keep(unit: Unit, services: Services, interaction: Interaction, payload: Mapping[str, Any]) -> None:
    """Change what an interaction remembers."""
    row = row_of(unit.session, services, interaction.id)
    requirement = interaction.needed.requirement
    row.payload = _sealed(services, place_of(row), payload, interaction.otherwise, requirement)


def close(unit: Unit, id_: str) -> Cookies:
    """End one.

    :returns: what deletes its cookies.
    """
    unit.session.exec(
        delete(InteractionRow).where(col(InteractionRow.ward) == unit.ward, col(InteractionRow.id) == id_)
    )
    return dropped(unit.ward, f"i-{id_}", f"a-{id_}")
