"""A ward with a caller, people, grants, codes and refresh tokens.

The service's own functions write the first of each; what must be many is copied from it, row by row.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.engine import Connection
from starlette.requests import Request

from assurance import identifiers, people
from assurance.database import Unit, connection_of, table_of
from assurance.evidence import CardAuthentication
from assurance.handles import hashed, new_handle
from assurance.identifiers import IdentifierKind
from assurance.people import NewProof
from assurance.person import PersonId, Profile, new_id
from assurance.sealed import MasterKeys
from card.certificates import Purpose, read_certificate
from card.clock import SystemClock
from card.dates import ward_day
from card.jose import b64url_encode
from card.request import EnrolledIssuer
from card.test_authority import Holder, TestAuthority
from card.virtual.card import VirtualCard
from delegation.tables import GrantRow
from idp import sessions
from idp.authorization.code import issue_code
from idp.authorization.request import AuthorizationRequest
from idp.card_requests import answer_uri
from idp.clients import Client
from idp.keys import KeyPurpose
from idp.registration import register_client
from idp.schema import migrate
from idp.services import Services, compose, open_database
from idp.settings import Settings
from idp.tables import AuthorizationRow, CodeRow, RefreshTokenRow
from tests.registered import registered

WARD = "131130"
CALLBACK = "https://portal.example/callback"
VERIFIER = "v" * 50
SECRET = "a-secret-of-the-benchmark-alone"
FEW, MANY = 1_000, 1_000_000
ACTING = 500
"""Delegates with a token each: a batch of requests then concerns as many grants as it has requests."""
TIMES = 2
ONCE = 20_000
"""Codes, and refresh tokens: each works once."""
REVOKED = 100_000
HOLDER = Holder("田中\u3000花子", date(1948, 5, 3), "2", "東京都渋谷区")
_AT_ONCE = 20_000
_LONG = timedelta(hours=1)


@dataclass(frozen=True)
class Seeded:
    """What the load sends.

    :param acting: codes of delegates, enough for several times, as `own`: what they give lives ten minutes.
    """

    environment: Mapping[str, str]
    codes: Sequence[str]
    refresh_tokens: Sequence[str]
    acting: Sequence[Sequence[str]]
    own: Sequence[Sequence[str]]
    card: VirtualCard
    bridge: EnrolledIssuer


def basic() -> str:
    """The caller's `client_secret_basic`."""
    return "Basic " + base64.b64encode(f"portal:{SECRET}".encode("ascii")).decode("ascii")


def form_headers() -> dict[str, str]:
    """Of every form."""
    return {"Content-Type": "application/x-www-form-urlencoded"}


def code_form(code: str) -> str:
    """What redeems a code."""
    return f"grant_type=authorization_code&code={code}&redirect_uri={CALLBACK}&code_verifier={VERIFIER}"


def environment_of(folder: Path, url: str, port: int) -> dict[str, str]:
    """The settings of a service, with a master key of its own; one that is there is kept."""
    if not (folder / "master.key").exists():
        MasterKeys.generate().save(folder / "master.key")
    return {
        "DAIRI_DATABASE_URL": url,
        "DAIRI_MASTER_KEY_FILE": str(folder / "master.key"),
        "DAIRI_WARDS": json.dumps({WARD: f"http://localhost:{port}/{WARD}"}),
        "DAIRI_TRUST_FOLDER": str(folder / "authority" / "trust"),
        "DAIRI_CRL_FOLDER": str(folder / "authority" / "crl"),
        "DAIRI_PORT": str(port),
    }


def settings_of(environment: Mapping[str, str]) -> Settings:
    """What a service reads from them."""
    values: dict[str, Any] = {
        name.removeprefix("DAIRI_").lower(): value for name, value in environment.items()
    }
    return Settings.model_validate(values | {"wards": json.loads(environment["DAIRI_WARDS"])})


def grant_between(delegate: str, principal: str, now: datetime) -> dict[str, Any]:
    """An active grant, as a row."""
    return {
        "ward": WARD, "id": new_id(), "version": 3, "state": "active", "principal": principal,
        "delegate": delegate, "basis": "voluntary", "mode": "agent",
        "procedures": '["kaigo.nintei.renew"]', "procedures_version": "b", "actions": '["view", "file"]',
        "first": ward_day(now).isoformat(), "last": (ward_day(now) + timedelta(days=30)).isoformat(),
        "delegate_name": b"", "invited": b"", "invitation": hashed(new_handle()),
        "invitation_until": now, "tries_left": 3, "created_at": now,
    }  # fmt: skip


def add_grants(environment: Mapping[str, str], count: int) -> None:
    """Grants of people whom nobody asks about."""
    database, _ = open_database(settings_of(environment))
    now, insert = SystemClock().now(), sa.insert(table_of(GrantRow))
    for first in range(0, count, _AT_ONCE):
        grants = [grant_between(new_id(), new_id(), now) for _ in range(min(_AT_ONCE, count - first))]
        with database.writing_engine.begin() as connection:
            connection.execute(insert, grants)
    database.close()


def revoke_many(authority: TestAuthority, count: int, now: datetime) -> Path:
    """A list of certificates that others held, in the place of the empty one."""
    root, path = authority.roots[Purpose.AUTHENTICATION], authority.crl_folder / "authentication.crl"
    before = x509.load_der_x509_crl(path.read_bytes())
    builder = x509.CertificateRevocationListBuilder().issuer_name(before.issuer)
    builder = builder.last_update(now).next_update(now + timedelta(hours=25))
    for extension in before.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    moved = x509.CRLReason(x509.ReasonFlags.affiliation_changed)
    revoked = [
        x509.RevokedCertificateBuilder()
        .serial_number(2**41 + number)
        .revocation_date(now)
        .add_extension(moved, critical=False)
        .build()
        for number in range(count)
    ]
    builder._revoked_certificates = revoked
    path.write_bytes(builder.sign(root.key, SHA256()).public_bytes(Encoding.DER))
    return path


def seed(folder: Path, url: str, port: int) -> Seeded:
    """Fill a database, with few grants."""
    authority, environment = TestAuthority.create(folder / "authority"), environment_of(folder, url, port)
    revoke_many(authority, REVOKED, SystemClock().now())
    settings = settings_of(environment)
    database, _ = open_database(settings)
    migrate(database)
    database.close()
    services = compose(settings, sandbox=True)[0]
    client = Client(
        client_id="portal",
        name={"ja": "b", "en": "b"},
        redirect_uris=(CALLBACK,),
        post_logout_redirect_uris=(),
        auth_method="client_secret_basic",
        sector="kaigo",
        audience="https://portal.example",
        scopes=frozenset({"openid", "kaigo", "decide"}),
        procedures=frozenset({"kaigo.nintei.renew"}),
        delegation_aware=True,
        secret_hash=hashlib.sha256(SECRET.encode("ascii")).hexdigest(),
    )
    card = authority.issue_card(HOLDER, services.clock.now())
    with services.database.writing(services.ward.code) as unit:
        register_client(unit, client, services.procedures, services.clock.now())
    with services.database.writing(services.ward.code) as unit:
        seeded = _people(unit, services, environment, card)
    services.database.close()
    add_grants(environment, FEW - ACTING)
    return seeded


def _people(unit: Unit, services: Services, environment: Mapping[str, str], card: VirtualCard) -> Seeded:
    now = services.clock.now()
    asked = AuthorizationRequest(
        client_id="portal",
        redirect_uri=CALLBACK,
        scope="openid kaigo",
        state=None,
        nonce=None,
        code_challenge=b64url_encode(hashlib.sha256(VERIFIER.encode("ascii")).digest()),
        prompt=frozenset(),
        max_age=None,
        aal=2,  # type: ignore[arg-type] # an int is an AAL
        acting=None,
    )
    request, connection = Request({"type": "http", "headers": []}), connection_of(unit.session)
    acting: list[list[str]] = [[] for _ in range(TIMES)]
    for _ in range(ACTING):
        person, principal = (proven_person(unit, services, name) for name in ("由紀", "花子"))
        shown = registered(unit, services.vault, person, CardAuthentication(now, revocation_checked=True))
        login, _ = sessions.begin(unit, services, request, person, shown)
        grant = grant_between(person, principal, now)
        connection.execute(sa.insert(table_of(GrantRow)), grant)
        row = unit.session.get(GrantRow, (unit.ward, grant["id"]))
        for codes in acting:
            codes.append(_code(issue_code(unit, services, login, asked, row)))
        first = _code(issue_code(unit, services, login, asked))
    identity = read_certificate(card.contents.authentication_certificate).identity
    identifiers.bind(unit, services.vault, person, IdentifierKind.CARD_AUTHENTICATION, identity, now)
    connection_of(unit.session)
    connection.execute(sa.update(table_of(CodeRow)).values(expires_at=now + _LONG))
    copies = _copies(connection, first, ONCE + TIMES * ACTING)
    handles = [code for code, _ in copies]
    codes, own = handles[:ONCE], [handles[ONCE + i * ACTING :][:ACTING] for i in range(TIMES)]
    tokens = _refresh_tokens(connection, [authorization for _, authorization in copies[:ONCE]], now)
    bridge = EnrolledIssuer(
        services.ward.issuer, answer_uri(services), services.keys.key_set(KeyPurpose.REQUEST)
    )
    return Seeded(environment, codes, tokens, acting, own, card, bridge)


def _code(answer: Any) -> str:
    return str(answer.headers["location"].partition("code=")[2].partition("&")[0])


def _copies(connection: Connection, code: str, count: int) -> list[tuple[str, str]]:
    """Codes like one that was issued, each with an authorization of its own."""
    codes, authorizations = table_of(CodeRow), table_of(AuthorizationRow)
    one = dict(connection.execute(sa.select(codes).where(codes.c.code == hashed(code))).mappings().one())
    of_one = sa.select(authorizations).where(authorizations.c.id == one["authorization"])
    allowed = dict(connection.execute(of_one).mappings().one())
    made = [(new_handle(), new_id()) for _ in range(count)]
    connection.execute(sa.insert(authorizations), [allowed | {"id": id_} for _, id_ in made])
    rows = [one | {"code": hashed(handle), "authorization": id_} for handle, id_ in made]
    connection.execute(sa.insert(codes), rows)
    return made


def _refresh_tokens(connection: Connection, authorizations: Sequence[str], now: datetime) -> list[str]:
    """One for each authorization."""
    made = [(new_handle(), id_) for id_ in authorizations]
    rows = [
        {
            "ward": WARD,
            "token": hashed(handle),
            "client_id": "portal",
            "authorization": id_,
            "expires_at": now + _LONG,
        }
        for handle, id_ in made
    ]
    connection.execute(sa.insert(table_of(RefreshTokenRow)), rows)
    return [handle for handle, _ in made]


def proven_person(unit: Unit, services: Services, name: str) -> PersonId:
    """A person whom the counter proved."""
    now = services.clock.now()
    person = people.create_person(unit, services.vault, now)
    proof = NewProof("counter_card", Profile(name, date(1975, 9, 12), "2", "東京都渋谷区"))
    people.record_proof(unit, services.vault, services.thresholds, person, proof, now)
    return person
