"""A ward with a caller, ten thousand grants and codes to redeem, written by the service's own functions."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from starlette.requests import Request

from assurance import people
from assurance.database import table_of
from assurance.evidence import CardAuthentication
from assurance.handles import hashed, new_handle
from assurance.people import NewProof
from assurance.person import PersonId, Profile, new_id
from assurance.sealed import MasterKeys
from card.clock import SystemClock
from card.dates import ward_day
from card.jose import b64url_encode
from card.test_authority import TestAuthority
from delegation.tables import GrantRow
from idp import sessions
from idp.authorization.code import issue_code
from idp.authorization.request import AuthorizationRequest
from idp.clients import Client
from idp.registration import register_client
from idp.schema import migrate
from idp.services import Services, compose, open_database
from idp.settings import Settings
from tests.registered import registered

WARD = "131130"
CALLBACK = "https://portal.example/callback"
VERIFIER = "v" * 50
SECRET = "a-secret-of-the-benchmark-alone"
GRANTS = 10_000


@dataclass(frozen=True)
class Seeded:
    """What the load sends."""

    environment: dict[str, str]
    codes: Sequence[str]
    acting_code: str


def _environment(folder: Path, url: str, port: int) -> dict[str, str]:
    TestAuthority.create(folder / "authority")
    MasterKeys.generate().save(folder / "master.key")
    return {
        "DAIRI_DATABASE_URL": url,
        "DAIRI_MASTER_KEY_FILE": str(folder / "master.key"),
        "DAIRI_WARDS": json.dumps({WARD: f"http://localhost:{port}/{WARD}"}),
        "DAIRI_TRUST_FOLDER": str(folder / "authority" / "trust"),
        "DAIRI_CRL_FOLDER": str(folder / "authority" / "crl"),
        "DAIRI_PORT": str(port),
    }


def _settings(environment: dict[str, str]) -> Settings:
    values: dict[str, Any] = {
        name.removeprefix("DAIRI_").lower(): value for name, value in environment.items()
    }
    return Settings.model_validate(values | {"wards": json.loads(environment["DAIRI_WARDS"])})


def _grant(delegate: str, principal: str) -> dict[str, Any]:
    now = SystemClock().now()
    return {
        "ward": WARD, "id": new_id(), "version": 3, "state": "active", "principal": principal,
        "delegate": delegate, "basis": "voluntary", "mode": "agent",
        "procedures": '["kaigo.nintei.renew"]', "procedures_version": "b", "actions": '["view", "file"]',
        "first": ward_day(now).isoformat(), "last": (ward_day(now) + timedelta(days=30)).isoformat(),
        "delegate_name": b"", "invited": b"", "invitation": hashed(new_handle()),
        "invitation_until": now, "tries_left": 3, "created_at": now,
    }  # fmt: skip


def seed(folder: Path, url: str, port: int, codes: int) -> Seeded:
    """Fill a database."""
    environment = _environment(folder, url, port)
    settings = _settings(environment)
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
    with services.database.writing(services.ward.code) as unit:
        register_client(unit, client, services.procedures, services.clock.now())
    seeded = Seeded(environment, *_people(services, codes))
    services.database.close()
    return seeded


def _people(services: Services, codes: int) -> tuple[list[str], str]:
    now, made = services.clock.now(), list[str]()
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
    with services.database.writing(services.ward.code) as unit:
        person, principal = (_person(unit, services, name) for name in ("由紀", "花子"))
        request = Request({"type": "http", "headers": []})
        shown = registered(unit, services.vault, person, CardAuthentication(now, revocation_checked=True))
        login, _ = sessions.begin(unit, services, request, person, shown)
        grants = [_grant(person, principal), *(_grant(new_id(), new_id()) for _ in range(GRANTS - 1))]
        unit.session.connection().execute(sa.insert(table_of(GrantRow)), grants)
        row = unit.session.get(GrantRow, (unit.ward, grants[0]["id"]))
        answers = [issue_code(unit, services, login, asked) for _ in range(codes)]
        answers.append(issue_code(unit, services, login, asked, row))
        made = [answer.headers["location"].partition("code=")[2].partition("&")[0] for answer in answers]
    return made[:-1], made[-1]


def _person(unit: Any, services: Services, name: str) -> PersonId:
    now = services.clock.now()
    person = people.create_person(unit, services.vault, now)
    proof = NewProof("counter_card", Profile(name, date(1975, 9, 12), "2", "東京都渋谷区"))
    people.record_proof(unit, services.vault, services.thresholds, person, proof, now)
    return person


def basic() -> str:
    """The caller's `client_secret_basic`."""
    return "Basic " + base64.b64encode(f"portal:{SECRET}".encode("ascii")).decode("ascii")
