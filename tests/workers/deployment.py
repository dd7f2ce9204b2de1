"""A ward served by several real processes on one database, with residents who have cards, and a portal."""

import json
import multiprocessing
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
from aiosmtpd.controller import Controller

from assurance import identifiers, people
from assurance.handles import hashed, new_handle
from assurance.identifiers import IdentifierKind
from assurance.people import NewProof
from assurance.person import PersonId, Profile, new_id
from assurance.sealed import MasterKeys
from card.certificates import read_certificate
from card.clock import SystemClock
from card.dates import ward_day
from card.jose import SoftwareSigner
from card.test_authority import Holder, TestAuthority
from card.virtual.card import VirtualCard
from delegation import registry
from delegation.registry import Typed
from delegation.tables import GrantRow
from deploy.sandbox.mailbox import Mailbox
from idp.clients import Client
from idp.registration import register_client
from idp.schema import migrate
from idp.services import Services, compose, open_database
from idp.settings import Settings
from tests.end_to_end.conftest import free_ports
from tests.idp.conftest import CALLBACK
from tests.workers import program

WARD: Final = "131130"
PROCEDURE: Final = "kaigo.nintei.renew"
_HOME: Final = "東京都渋谷区１－１"


_FORKING: Final = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(["tests.workers.program", "pytest"])  # imports are most of what a start costs


class Worker:
    """One process of the service, on a port of its own."""

    def __init__(self, environment: Mapping[str, str], port: int, log: Path) -> None:
        self._environment, self._log = {**environment, "DAIRI_PORT": str(port)}, log
        self.address = f"http://127.0.0.1:{port}"
        self._process: Any = None

    def start(self) -> None:
        """Begin; it takes a moment until it is ready."""
        self._process = _FORKING.Process(target=program.run, args=(self._environment, self._log), daemon=True)
        self._process.start()

    def wait_until_ready(self, within_s: float = 300) -> None:
        """Until it and its database answer."""
        until = time.monotonic() + within_s
        with httpx2.Client(timeout=5) as client:
            while time.monotonic() < until and self._process.is_alive():
                with suppress(httpx2.TransportError):
                    if client.get(f"{self.address}/health/ready").status_code == 200:
                        return
                time.sleep(0.1)
        raise AssertionError(f"it is not ready: {self._log.read_text('utf-8')[-4000:]}")

    def kill(self) -> None:
        """SIGKILL: it finishes nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def stop(self) -> None:
        """As a supervisor stops it."""
        self._process.terminate()
        self._process.join(30)


@dataclass(frozen=True)
class Deck:
    """Residents' cards by mail address, and who issued them; made once, since keys are slow."""

    authority: TestAuthority
    cards: Mapping[str, tuple[Holder, VirtualCard]]

    @classmethod
    def issue(cls, folder: Path, count: int) -> "Deck":
        authority, now = TestAuthority.create(folder), SystemClock().now()
        holders = {
            f"card-{number}@example.jp": Holder(
                f"住民\u3000{'一二三四五六七八'[number]}", date(1960, 5, 1 + number), "2", _HOME
            )
            for number in range(count)
        }
        return cls(
            authority,
            {address: (holder, authority.issue_card(holder, now)) for address, holder in holders.items()},
        )


@dataclass(frozen=True)
class Registered:
    """A resident whom the ward knows by card and address."""

    person: PersonId
    address: str
    name: str
    card: VirtualCard


@dataclass
class Deployment:
    """What runs.

    :ivar services: this process's own view of the same database: to seed, and to look at what was kept.
    """

    environment: Mapping[str, str]
    services: Services
    workers: Sequence[Worker]
    mailbox: Mailbox
    residents: Sequence[Registered]
    client: Client
    signer: SoftwareSigner
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))

    def proposed(self, principal: Registered, delegate: Registered) -> tuple[str, str]:
        """A grant as `propose` leaves it, without the cap of ten a day; and the handle of its invitation."""
        services, now, id_, handle = self.services, self.services.clock.now(), new_id(), new_handle()
        with services.database.writing(services.ward.code) as unit:
            typed = Typed(delegate.name, delegate.address)
            name, invited = registry.seal_typed(unit, services.vault, principal.person, id_, typed)
            unit.session.add(
                GrantRow(
                    ward=WARD,
                    id=id_,
                    version=1,
                    state="proposed",
                    principal=principal.person,
                    basis="voluntary",
                    mode="agent",
                    procedures=json.dumps([PROCEDURE]),
                    procedures_version=services.procedures.version,
                    actions=json.dumps(["view", "file"]),
                    first=ward_day(now).isoformat(),
                    last=(ward_day(now) + timedelta(days=30)).isoformat(),
                    delegate_name=name,
                    invited=invited,
                    invitation=hashed(handle),
                    invitation_until=now + timedelta(days=30),
                    created_at=now,
                )
            )
        return id_, handle


def _settings(folder: Path, url: str, issuer: str, deck: Deck, smtp_port: int) -> dict[str, Any]:
    MasterKeys.generate().save(folder / "master.key")
    return {
        "database_url": url,
        "master_key_file": folder / "master.key",
        "wards": {WARD: issuer},
        "trust_folder": deck.authority.trust_folder,
        "crl_folder": deck.authority.crl_folder,
        "smtp_port": smtp_port,
    }


def _register(services: Services, deck: Deck) -> list[Registered]:
    """What the counter writes of a resident, without its two staff."""
    now, vault, made = services.clock.now(), services.vault, list[Registered]()
    with services.database.writing(services.ward.code) as unit:
        for address, (holder, card) in deck.cards.items():
            person = people.create_person(unit, vault, now)
            profile = Profile(holder.name, holder.birth_date, holder.sex, holder.address)
            people.record_proof(
                unit, vault, services.thresholds, person, NewProof("counter_card", profile), now
            )
            both = {
                IdentifierKind.CARD_AUTHENTICATION: card.contents.authentication_certificate,
                IdentifierKind.CARD_SIGNATURE: card.contents.signature_certificate,
            }
            for kind, der in both.items():
                identifiers.bind(unit, vault, person, kind, read_certificate(der).identity, now)
            identifiers.bind(unit, vault, person, IdentifierKind.EMAIL, address, now)
            made.append(Registered(person, address, holder.name, card))
    return made


def _register_portal(services: Services) -> tuple[Client, SoftwareSigner]:
    signer = SoftwareSigner.generate()
    client = Client(
        client_id="portal",
        name={"ja": "介護保険 申請ポータル", "en": "Care insurance portal"},
        redirect_uris=(CALLBACK,),
        post_logout_redirect_uris=(),
        auth_method="private_key_jwt",
        sector="kaigo",
        audience="https://portal.example",
        scopes=frozenset({"openid", "profile", "kaigo", "decide"}),
        procedures=frozenset({PROCEDURE}),
        delegation_aware=True,
        jwks={"keys": [signer.public_jwk()]},
    )
    with services.database.writing(services.ward.code) as unit:
        register_client(unit, client, services.procedures, services.clock.now())
    return client, signer


@contextmanager
def deployed(folder: Path, url: str, deck: Deck, workers: int) -> Iterator[Deployment]:
    """Migrate, seed and serve; whatever still runs at the end is stopped."""
    *ports, smtp_port = free_ports(workers + 1)
    settings = _settings(folder, url, f"http://localhost:{ports[0]}/{WARD}", deck, smtp_port)
    environment = {
        f"DAIRI_{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in settings.items()
    }
    database, _ = open_database(Settings.model_validate(settings))
    migrate(database)
    database.close()
    (services,) = compose(Settings.model_validate(settings), sandbox=True)
    mailbox = Mailbox()
    mailbox.mails = deque(maxlen=500)
    smtp = Controller(mailbox, hostname="127.0.0.1", port=smtp_port)
    smtp.start()
    running = [Worker(environment, port, folder / f"worker-{port}.log") for port in ports]
    try:
        residents, (client, signer) = _register(services, deck), _register_portal(services)
        for worker in running:
            worker.start()
        for worker in running:
            worker.wait_until_ready()
        yield Deployment(environment, services, running, mailbox, residents, client, signer)
        for worker in running:
            worker.stop()
    finally:
        for worker in running:
            worker.kill()
        smtp.stop()
        services.batch.stop()
        services.database.close()
