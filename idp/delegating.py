"""What the registry asks of the provider: logins, step-up, signatures, ward systems, tokens."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlmodel import Session, col, update
from starlette.requests import Request
from starlette.responses import Response

from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.evidence import EmailCode
from assurance.handles import hashed
from assurance.levels import ACTING, Requirement
from assurance.login import Login
from card.container import SigningPurpose
from delegation.decision import Acting, Caller
from delegation.grant import GrantId
from delegation.parts import Errand, Parts
from idp import card_requests, interactions, sessions
from idp.clients import DECIDE, name_of
from idp.faults import Stranded
from idp.keys import KeyPurpose
from idp.login.flow import ask_to_log_in
from idp.services import Services
from idp.tables import AuthorizationRow
from idp.token.presented import authorization_of, presented

SIGN: Final = "sign"
"""The kind of interaction that ends with something signed: a mandate, an approval."""


class _Logins:
    def __init__(self, services: Services) -> None:
        self._services = services

    def current(self, session: Session, request: Request) -> Login | None:
        return sessions.current(session, self._services, request)

    def browser(self, request: Request) -> str:
        return hashed(sessions.cookie_of(self._services, request))

    def add(
        self, unit: Unit, request: Request, login: Login, evidence: EmailCode
    ) -> Callable[[Response], None]:
        _, cookie = sessions.begin(unit, self._services, request, login.person, evidence)
        return cookie.set_on


class _StepUp:
    def __init__(self, services: Services) -> None:
        self._services = services

    def ask(
        self, return_to: str, requirement: Requirement, keep: Mapping[str, Any] | None = None
    ) -> Response:
        return ask_to_log_in(self._services, return_to, requirement, keep)

    def kept(self, request: Request, id_: str) -> Mapping[str, Any]:
        services, kinds = self._services, {interactions.ACCOUNT}
        try:
            with services.database.reading(services.ward.code) as session:
                return interactions.load(session, services, request, id_, kinds=kinds).payload
        except Stranded:
            return {}


class _Signing:
    def __init__(self, services: Services) -> None:
        self._services = services

    def ask(
        self,
        unit: Unit,
        purpose: SigningPurpose,
        about: str,
        *,
        locale: str,
        text: str | None = None,
        template: str | None = None,
        content: Mapping[str, Any] | None = None,
        pages: tuple[str, str],
    ) -> Errand:
        services, (return_to, cancel_to) = self._services, pages
        id_, cookie = interactions.open_interaction(
            unit,
            services,
            SIGN,
            return_to=return_to,
            requirement=Requirement(ACTING),
            payload={"purpose": purpose, "about": about, "back": cancel_to},
        )
        jws = card_requests.ask(
            unit,
            services,
            id_,
            purpose,
            cancel_to=cancel_to,
            locale=locale,
            text=text,
            template=template,
            content=content,
        )
        return Errand(f"{services.bridge_url}/request", jws, cookie.set_on)


class _GrantEnded:
    def __init__(self, services: Services) -> None:
        self._services = services

    def __call__(self, unit: Unit, grant: GrantId) -> None:
        now = self._services.clock.now()
        ended = unit.session.exec(
            update(AuthorizationRow)
            .where(
                col(AuthorizationRow.ward) == unit.ward,
                col(AuthorizationRow.grant) == grant,
                col(AuthorizationRow.ended_at).is_(None),
            )
            .values(ended_at=now)
        )
        if ended.rowcount:
            unit.record(Event(EventName.AUTHORIZATION_ENDED, unit.ward, now, {}, {"count": ended.rowcount}))


class _Callers:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def authenticate(self, token: str) -> Caller | None:
        claims = self._services.tokens.read(token)
        if claims is None or claims["aud"] != self._services.ward.issuer:
            return None
        client = await self._services.lookups.client(str(claims["client_id"]))
        if client is None or claims["sub"] != client.client_id:
            return None
        if DECIDE not in str(claims["scope"]).split() or DECIDE not in client.scopes:
            return None
        return Caller(client.client_id, client.name, client.audience, client.sector, client.procedures)

    def name(self, session: Session, caller: str) -> Mapping[str, str]:
        return name_of(session, self._services.ward.code, caller)


class _Presented:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def resolve(self, token: str) -> Acting | None:
        services, now = self._services, self._services.clock.now()
        claims = services.tokens.read(token)
        if claims is None:
            return None
        standing, client = await asyncio.gather(
            services.lookups.standing(authorization_of(claims)),
            services.lookups.client(str(claims["client_id"])),
        )
        shown = presented(claims, standing, now, services.thresholds)
        if shown is None or client is None:
            return None
        act, standing = claims.get("act"), shown.standing
        subject = act.get("sub") if isinstance(act, Mapping) else claims["sub"]
        return Acting(
            person=shown.login.person,
            principal=standing.principal or standing.person,
            subject=str(subject),
            principal_sub=str(claims["sub"]),
            audience=str(claims["aud"]),
            assurance=shown.login.assurance,
            procedures=client.procedures,
            grant=standing.grant,
            terms=None if standing.usable is None else standing.usable.terms,
            waits=standing.usable is not None and standing.usable.waits,
        )


def parts_of(services: Services) -> Parts:
    """The registry of a ward."""
    return Parts(
        ward=services.ward,
        database=services.database,
        vault=services.vault,
        clock=services.clock,
        pages=services.pages,
        procedures=services.procedures,
        thresholds=services.thresholds,
        rules=services.rules,
        mailer=services.mailer,
        batch=services.batch,
        archive=services.keys.signer(KeyPurpose.ARCHIVE),
        logins=_Logins(services),
        step_up=_StepUp(services),
        signing=_Signing(services),
        callers=_Callers(services),
        presented=_Presented(services),
        grant_ended=_GrantEnded(services),
    )
