"""What a ward's application is made of. Everything gets its parts from here; there are no globals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from fastapi import APIRouter
from sqlmodel import Session
from starlette.requests import Request

from assurance.batch import Batch
from assurance.database import Database
from assurance.levels import Level
from assurance.mail import Mailer, SmtpMailer
from assurance.procedures import Procedures, load_procedures
from assurance.sealed import MasterKeys, Vault
from assurance.thresholds import Thresholds, load_thresholds
from assurance.wards import Ward, parse_ward
from card.clock import Clock, SystemClock
from card.pages import Pages, Source
from card.revocation import CrlFiles, InTurn, NoRevocation, RevocationSource
from card.revocation.responder import OcspResponder
from card.trust import Trust
from delegation.audit.recorder import AuditRecorder
from delegation.rules import Rules, load_rules
from idp.keys import KeyPurpose, KeyRing, load_keys
from idp.schema import is_current
from idp.settings import Settings
from idp.token.lookups import Lookups
from idp.token.presented import AccessTokens
from idp.upstream.configured import AppEntry, GbizidEntry, WardEntry, read_upstreams
from idp.upstream.provider import UpstreamProvider


class OtherLogin(Protocol):
    """A way to log in that whoever composes the service brings along; the provider itself has none."""

    @property
    def source(self) -> Source:
        """The package of its templates and texts."""

    @property
    def template(self) -> str:
        """What the page of all ways shows of it."""

    def offered(
        self, request: Request, session: Session, services: "Services", level: Level
    ) -> Mapping[str, object]:
        """What the template is given, besides the interaction and the ward's path.

        :param level: what the login must reach.
        """

    def routes(self, services: "Services") -> APIRouter:
        """Its pages in one ward."""


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one ward's application.

    :param lookups: what the hot endpoints ask through the batch door.
    :param tokens: verifies this ward's access tokens.
    :param app: デジタル認証アプリ, where the ward configured it; as `gbizid`.
    :param other_logins: ways to log in besides the provider's own; none in production.
    """

    ward: Ward
    bridge_url: str
    database: Database
    batch: Batch
    vault: Vault
    clock: Clock
    pages: Pages
    keys: KeyRing
    trust: Trust
    procedures: Procedures
    thresholds: Thresholds
    mailer: Mailer
    rules: Rules
    lookups: Lookups
    tokens: AccessTokens
    app: UpstreamProvider | None = None
    gbizid: UpstreamProvider | None = None
    other_logins: Sequence[OtherLogin] = ()

    def address(self, path: str) -> str:
        """A page of this ward, as a path of its origin."""
        return f"{self.ward.path}{path}"


def make_pages(other_logins: Sequence[OtherLogin] = ()) -> Pages:
    """The pages of every layer, and of whatever else there is to log in by."""
    others = [other.source for other in other_logins]
    return Pages(
        [Source("delegation", "delegation"), Source("idp", "idp"), *others],
        ["card", "assurance", "delegation", "idp", *(other.package for other in others)],
    )


def open_database(settings: Settings) -> tuple[Database, Vault]:
    """The database of a deployment, which records what happens, and what opens its sealed fields."""
    vault = Vault(MasterKeys.from_file(settings.master_key_file))
    return Database(settings.database_url, AuditRecorder(vault)), vault


def procedures_of(settings: Settings) -> Procedures:
    """The procedures of a deployment.

    :raises ValueError: naming the entry that is wrong.
    """
    file = settings.procedures_file
    return load_procedures(None if file is None else file.read_text("utf-8"))


def revocation_of(settings: Settings) -> RevocationSource:
    """Where a deployment learns whether a certificate was revoked: its responder, else its lists.

    The responder is asked first, because lists are a day old.
    """
    sources: list[RevocationSource] = []
    if settings.ocsp_url is not None:
        minutes = settings.ocsp_without_nonce_minutes
        without_nonce = None if minutes is None else timedelta(minutes=minutes)
        sources.append(OcspResponder(str(settings.ocsp_url), without_nonce=without_nonce))
    if settings.crl_folder is not None:
        sources.append(CrlFiles(settings.crl_folder))
    return InTurn(sources) if sources else NoRevocation()


def wards_of(settings: Settings) -> list[Ward]:
    """The wards of a deployment.

    :raises ValueError: for a code that is no ward's.
    """
    return [Ward(parse_ward(code), issuer) for code, issuer in settings.wards.items()]


def compose(
    settings: Settings, *, sandbox: bool = False, other_logins: Sequence[OtherLogin] = ()
) -> Sequence[Services]:
    """Build every ward's parts; they share what belongs to no ward.

    :raises ValueError: when the database or the issuers are of another kind than this start, or another way
        to log in is brought along to anything but a sandbox.
    """
    wards = wards_of(settings)
    if other_logins and not sandbox:
        raise ValueError("another way to log in; only `dairi sandbox` may have one")
    if not sandbox and any(not ward.issuer.startswith("https://") for ward in wards):
        raise ValueError("an issuer without https; only `dairi sandbox` may do that")
    database, vault = open_database(settings)
    try:
        return compose_on(settings, wards, database, vault, sandbox=sandbox, other_logins=other_logins)
    except BaseException:
        database.close()
        raise


def _provider(entry: AppEntry | GbizidEntry | None) -> UpstreamProvider | None:
    return None if entry is None else entry.provider()


def compose_on(
    settings: Settings,
    wards: Sequence[Ward],
    database: Database,
    vault: Vault,
    *,
    sandbox: bool,
    other_logins: Sequence[OtherLogin] = (),
) -> Sequence[Services]:
    """The same over a database that is open already, and stays so.

    :raises ValueError: when it is of another kind or another version.
    """
    if not is_current(database):
        raise ValueError("the database is of another version; run `dairi migrate`")
    database.mark("sandbox" if sandbox else "production")
    clock = SystemClock()
    trust = Trust.from_files(settings.trust_folder, revocation_of(settings), test_cards=sandbox)
    procedures, thresholds, pages = procedures_of(settings), load_thresholds(), make_pages(other_logins)
    rules, batch = load_rules(), Batch(database)
    mailer = SmtpMailer(settings.smtp_host, settings.smtp_port, settings.mail_sender, clock)
    file = settings.upstreams_file
    upstreams = {} if file is None else read_upstreams(file.read_text("utf-8"), sandbox=sandbox)
    none = WardEntry()
    rings = {ward.code: load_keys(database, vault, ward.code, clock.now()) for ward in wards}
    return [
        Services(
            ward=ward,
            bridge_url=settings.bridge_url,
            database=database,
            batch=batch,
            vault=vault,
            clock=clock,
            pages=pages,
            keys=rings[ward.code],
            trust=trust,
            procedures=procedures,
            thresholds=thresholds,
            mailer=mailer,
            rules=rules,
            lookups=Lookups(ward.code, batch, clock, vault),
            tokens=AccessTokens(ward.issuer, rings[ward.code].key_set(KeyPurpose.TOKEN), clock),
            app=_provider(upstreams.get(ward.code, none).app),
            gbizid=_provider(upstreams.get(ward.code, none).gbizid),
            other_logins=tuple(other_logins),
        )
        for ward in wards
    ]
