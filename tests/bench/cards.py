"""`python -m tests.bench.cards`: what verifying a card login and a revocation list of a million cost.

All but what one caller waits is processor time, the least of some runs: so what else the machine does counts
little. A deployment speaks HTTP and numbers leaves besides.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from assurance import card_login, identifiers
from assurance.identifiers import IdentifierKind
from assurance.levels import AAL, IAL, Level, Requirement
from card.certificates import Purpose, read_certificate
from card.clock import SystemClock
from card.container import CardEvidence, SigningPurpose, ToBeSigned, prepare, verify_signed_by_card
from card.jose import Flattened
from card.request import EnrolledIssuer, read_request
from card.test_authority import TestAuthority, new_card_key
from card.trust import Trust
from card.virtual.card import VirtualCard
from card.virtual.holder import sign_as_holder
from idp import card_requests, interactions
from idp.keys import KeyPurpose
from idp.login.by_card import card_routes
from idp.schema import migrate
from idp.services import Services, compose, open_database
from tests import postgresql
from tests.bench.report import POSTGRESQL, SQLITE, cards_table, put
from tests.bench.seeding import HOLDER, environment_of, proven_person, revoke_many, settings_of
from tests.bench.timing import least_us, used_us

LISTED: Final = 1_000_000
LOGINS: Final = 200
_LOADS, _ROUNDS = 3, 3
_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class Answered:
    """One login whose answer the browser has brought back."""

    i: str
    request: Request


def _signed(card: VirtualCard, count: int) -> Sequence[tuple[ToBeSigned, str]]:
    now, found = SystemClock().now(), []
    for _ in range(count):
        asked = prepare(
            SigningPurpose.LOGIN,
            issuer="https://shibuya.id.example",
            audience="https://shibuya.id.example/card/answer",
            nonce=bytes(32),
            issued_at=now,
        )
        found.append((asked, sign_as_holder(card, asked, Purpose.AUTHENTICATION).to_json()))
    return found


def _verifications(authority: TestAuthority, card: VirtualCard, trust: Trust) -> Mapping[str, float]:
    """The two RSA verifications that nothing saves, and all that is verified of a login."""
    signed, issuer = _signed(card, LOGINS), authority.roots[Purpose.AUTHENTICATION].certificate
    read = [(asked.signing_input, Flattened.parse(text)) for asked, text in signed]

    def floor(of: tuple[bytes, Flattened]) -> None:
        signing_input, container = of
        leaf = x509.load_der_x509_certificate(container.leaf_der)
        leaf.verify_directly_issued_by(issuer)
        leaf.public_key().verify(container.signature, signing_input, PKCS1v15(), SHA256())  # type: ignore[call-arg, union-attr, arg-type] # an RSA key

    def verify(of: tuple[ToBeSigned, str]) -> None:
        asked, text = of
        verify_signed_by_card(
            Flattened.parse(text),
            expecting=SigningPurpose.LOGIN,
            prepared=asked,
            trust=trust,
            now=SystemClock().now(),
        )

    verify(signed[0])  # reads the list
    return {"floor": round(least_us(floor, read), 1), "verified": round(least_us(verify, signed), 1)}


class _Logins:
    """A ward whose resident has answered with her card, many times."""

    def __init__(self, services: Services, card: VirtualCard) -> None:
        self._services, self._card = services, card
        (self._finish,) = (
            route.endpoint
            for route in card_routes(services).routes
            if isinstance(route, APIRoute) and route.path == "/card/done"
        )
        self._bridge = EnrolledIssuer(
            services.ward.issuer,
            card_requests.answer_uri(services),
            services.keys.key_set(KeyPurpose.REQUEST),
        )
        identity = read_certificate(card.contents.authentication_certificate).identity
        with services.database.writing(services.ward.code) as unit:
            person, now = proven_person(unit, services, "花子"), services.clock.now()
            kind = IdentifierKind.CARD_AUTHENTICATION
            identifiers.bind(unit, services.vault, person, kind, identity, now)

    def answered(self) -> Answered:
        """Everything up to where the browser comes back with the card's answer."""
        services, ward = self._services, self._services.ward.code
        with services.database.writing(ward) as unit:
            needed = Requirement(Level(IAL.NONE, AAL.MULTI))
            i, begun = interactions.open_interaction(
                unit, services, interactions.ACCOUNT, return_to="/account", requirement=needed
            )
            jws = card_requests.ask(unit, services, i, SigningPurpose.LOGIN, cancel_to="/login")
        asked = read_request(jws, {self._bridge.issuer: self._bridge}, services.clock.now())
        container = sign_as_holder(self._card, asked.to_be_signed, asked.certificate).to_json()
        with services.database.writing(ward) as unit:
            _, brought = card_requests.receive(unit, services, asked.state, container, "")
        sent = f"{begun.name}={begun.value}; {brought.name}={brought.value}"
        return Answered(i, Request({"type": "http", "headers": [(b"cookie", sent.encode("ascii"))]}))

    def signed(self) -> CardEvidence:
        """What was verified of one answer."""
        services, (asked, text) = self._services, _signed(self._card, 1)[0]
        return verify_signed_by_card(
            Flattened.parse(text),
            expecting=SigningPurpose.LOGIN,
            prepared=asked,
            trust=services.trust,
            now=services.clock.now(),
        )

    def whose(self, signed: CardEvidence) -> None:
        """Look up the person alone."""
        services = self._services
        with services.database.reading(services.ward.code) as session:
            card_login.log_in(session, services.vault, services.ward.code, signed)

    def finish(self, answered: Answered) -> None:
        """Verify, look up the person, log in, commit."""
        response: Response = self._finish(answered.request, i=answered.i)
        assert response.headers["location"] == "/account"


def _logins(folder: Path, url: str, authority: TestAuthority, card: VirtualCard) -> Mapping[str, float]:
    """Processor time of this process, and how long one caller waits; each is durable when it is done."""
    folder.mkdir()
    environment = environment_of(folder, url or f"sqlite:///{folder / 'dairi.db'}", 8400)
    folders = {"DAIRI_TRUST_FOLDER": authority.trust_folder, "DAIRI_CRL_FOLDER": authority.crl_folder}
    settings = settings_of(environment | {name: str(path) for name, path in folders.items()})
    database, _ = open_database(settings)
    migrate(database)
    database.close()
    services = compose(settings, sandbox=True)[0]
    try:
        logins = _Logins(services, card)
        logins.finish(logins.answered())  # reads the list
        used, waited, signed = [], [], logins.signed()
        whose = least_us(logins.whose, [signed] * LOGINS)
        for _ in range(_ROUNDS):
            answered, began = [logins.answered() for _ in range(LOGINS)], time.perf_counter()
            used.append(used_us(logins.finish, answered))
            waited.append((time.perf_counter() - began) / LOGINS * 1e6)
    finally:
        services.database.close()
    return {"whose": round(whose, 1), "used": round(min(used), 1), "waited": round(min(waited), 1)}


def _list(folder: Path, authority: TestAuthority) -> Mapping[str, float]:
    """Of reading the list, the run that took least."""
    key, certificates = new_card_key().public_key(), folder / "certificates"
    certificates.mkdir()
    for number in range(LOGINS):
        leaf = authority.issue(Purpose.AUTHENTICATION, HOLDER, key, SystemClock().now())
        (certificates / f"{number}.der").write_bytes(leaf.public_bytes(Encoding.DER))
    told: list[dict[str, float]] = []
    for _ in range(_LOADS):
        command = [sys.executable, "-m", "tests.bench.lists", str(folder)]
        told.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    return {name: min(run[name] for run in told) for name in told[0]}


def measured() -> dict[str, Any]:
    """Everything, one after the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = TestAuthority.create(folder / "authority")
        now = SystemClock().now()
        size = revoke_many(authority, LISTED, now).stat().st_size
        card = authority.issue_card(HOLDER, now)
        found: dict[str, Any] = {"listed": LISTED, "list_mb": round(size / 1e6, 1)}
        found["list"] = _list(folder, authority)
        found["logins"] = {"": _verifications(authority, card, authority.trust())}
        found["logins"][SQLITE] = _logins(folder / "sqlite", "", authority, card)
        with postgresql.cluster(durable=True) as url:
            if url is not None:
                found["logins"][POSTGRESQL] = _logins(folder / "postgresql", url, authority, card)
    return found


def write(found: Mapping[str, Any]) -> None:
    """Put the tables in the place of the last run's."""
    put(_FOLDER / "README.md", "python -m tests.bench.cards", cards_table(found))


def main() -> None:
    """Measure these rows alone, and write them down beside the others."""
    file = _FOLDER / "results.json"
    results = json.loads(file.read_text("utf-8")) | {"cards": measured()}
    file.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    write(results["cards"])
    print(cards_table(results["cards"]))


if __name__ == "__main__":
    main()
