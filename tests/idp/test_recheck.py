"""Mandates are checked again: with every newer list, once a day at least, and by `dairi mandate recheck`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509 import ReasonFlags
from sqlmodel import select
from typer.testing import CliRunner, Result

from assurance.database import Database
from assurance.identifiers import IdentifierKind, mac_of
from assurance.sealed import MasterKeys, Vault
from assurance.wards import Ward
from card.certificates import JpkiCertificate, Purpose, read_certificate
from card.clock import SystemClock
from card.jose import Flattened
from card.revocation import CrlFiles
from card.test_authority import Holder, TestAuthority
from card.trust import Trust
from delegation.audit.recorder import AuditRecorder
from delegation.grant import GrantId
from delegation.revoked.matching import Matched
from delegation.tables import GrantRow, HoldRow, MandateRow
from idp import rechecker, schema
from idp.cli.mandate import app
from idp.rechecker import Rechecker
from idp.services import Services
from tests.bench.seeding import grant_between

SIGNATURE = Purpose.SIGNATURE
NOTHING = Matched(listed=0, new=0, reviews=0, holds=0)
HOLDER = Holder("田中\u3000花子", date(1948, 5, 3), "2", "東京都渋谷区１－１")


@pytest.fixture
def authority_now(tmp_path: Path) -> TestAuthority:
    """Of today, and of this test alone: what it revokes harms no other."""
    return TestAuthority.create(tmp_path / "authority", datetime.now(UTC))


@pytest.fixture
def certificate(authority_now: TestAuthority) -> JpkiCertificate:
    card = authority_now.issue_card(HOLDER, datetime.now(UTC))
    return read_certificate(card.contents.signature_certificate or b"")


def mandated(database: Database, vault: Vault, ward: Ward, certificate: JpkiCertificate) -> GrantId:
    """An active grant with the mandate of a card, of people about whom nothing more is known."""
    values = grant_between("delegate", "principal", datetime.now(UTC)) | {"ward": ward.code}
    cipher, wrapped = vault.new_data_key(ward.code, f"mandate/{values['id']}")
    container = Flattened("e30", "e30", b"s", certificate.der).to_json()
    mandate = MandateRow(
        ward=ward.code,
        grant=values["id"],
        wrapped_key=wrapped,
        container=cipher.seal(container, table="mandate", column="container", row=values["id"]),
        opening=b"",
        record="r",
        certificate=mac_of(vault, ward.code, IdentifierKind.CARD_SIGNATURE, certificate.identity),
        signed_at=datetime.now(UTC),
    )
    with database.writing(ward.code) as unit:
        unit.session.add(GrantRow(**values))
        unit.session.add(mandate)
    return GrantId(values["id"])


def held(database: Database) -> list[str]:
    with database.reading() as session:
        return [row.target for row in session.exec(select(HoldRow)).all()]


def soon(happened: Callable[[], bool]) -> bool:
    for _ in range(1000):
        if happened():
            return True
        time.sleep(0.01)
    return False


# By the service.


@pytest.fixture
def rechecking(
    services: Services, authority_now: TestAuthority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Services]]:
    """Starts the thread, looking often; stops it at the end."""
    started: list[Rechecker] = []
    monkeypatch.setattr(rechecker, "_EVERY_S", 0.01)

    def start(trust: Trust | None = None) -> Services:
        changed = replace(services, trust=trust or authority_now.trust(), clock=SystemClock())
        started.append(Rechecker([changed]))
        started[-1].start()
        return changed

    yield start
    for work in started:
        work.stop()


def test_a_newer_list_is_matched_when_it_appears(
    rechecking: Callable[..., Services], authority_now: TestAuthority, certificate: JpkiCertificate
) -> None:
    services = rechecking()
    grant = mandated(services.database, services.vault, services.ward, certificate)
    time.sleep(0.1)
    assert held(services.database) == []
    authority_now.revoke(SIGNATURE, certificate.serial, datetime.now(UTC), ReasonFlags.certificate_hold)
    assert soon(lambda: held(services.database) == [grant])


def test_the_same_list_is_matched_once_a_day_and_not_every_minute(
    services: Services, authority_now: TestAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    matched, overdue = list[int](), list[int]()
    monkeypatch.setattr(rechecker, "match", lambda _, lists, __: matched.append(len(lists)) or NOTHING)
    monkeypatch.setattr(rechecker, "hold_overdue", lambda _: overdue.append(1))
    clock = services.clock
    checked = Rechecker([replace(services, trust=authority_now.trust())])
    ((of_ward, parts),) = checked._wards
    for hours, times in ((0, 1), (1, 1), (23, 1), (24, 2), (25, 2)):
        later = replace(of_ward, clock=_At(clock.now() + timedelta(hours=hours)))
        checked._check(later, parts)
        assert len(matched) == times, hours
    assert len(overdue) == 3
    authority_now.publish_crls(clock.now() + timedelta(hours=25))
    checked._check(replace(of_ward, clock=_At(clock.now() + timedelta(hours=26))), parts)
    assert len(matched) == 3


class _At:
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


def test_a_service_without_a_list_says_so_and_goes_on(
    rechecking: Callable[..., Services],
    authority_now: TestAuthority,
    certificate: JpkiCertificate,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    trust, folder = authority_now.trust(), tmp_path / "later"
    services = rechecking(Trust(trust.anchors, trust.policies, CrlFiles(folder)))
    grant = mandated(services.database, services.vault, services.ward, certificate)
    assert soon(lambda: "mandates are not checked again" in capsys.readouterr().out)
    authority_now.revoke(SIGNATURE, certificate.serial, datetime.now(UTC), ReasonFlags.key_compromise)
    authority_now.crl_folder.rename(folder)
    assert soon(lambda: held(services.database) == [grant])


# By hand.


@pytest.fixture
def deployed(
    empty_database_url: str,
    ward: Ward,
    tmp_path: Path,
    authority_now: TestAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Database, Vault]]:
    """A migrated sandbox, and the environment that names it."""
    master = MasterKeys.generate()
    master.save(tmp_path / "master.json")
    vault = Vault(master)
    made = Database(empty_database_url, AuditRecorder(vault))
    schema.migrate(made)
    made.mark("sandbox")
    monkeypatch.setenv("DAIRI_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("DAIRI_MASTER_KEY_FILE", str(tmp_path / "master.json"))
    monkeypatch.setenv("DAIRI_WARDS", f'{{"{ward.code}": "{ward.issuer}"}}')
    monkeypatch.setenv("DAIRI_TRUST_FOLDER", str(authority_now.trust_folder))
    monkeypatch.setenv("DAIRI_CRL_FOLDER", str(authority_now.crl_folder))
    yield made, vault
    made.close()


def recheck(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["recheck", *map(str, arguments)])


def test_the_command_says_in_a_line_what_it_found_and_finds_nothing_twice(
    deployed: tuple[Database, Vault], ward: Ward, authority_now: TestAuthority, certificate: JpkiCertificate
) -> None:
    grant = mandated(*deployed, ward, certificate)
    begun = recheck()
    assert begun.exit_code == 0, begun.output
    nothing = "0 mandates named anew, 0 for staff to review, 0 holds placed"
    assert begun.output == f"131130: 1 list with 0 certificates, {nothing}\n"
    authority_now.revoke(SIGNATURE, certificate.serial, datetime.now(UTC), ReasonFlags.certificate_hold)
    named = "1 mandate named anew, 0 for staff to review, 1 hold placed"
    assert recheck().output == f"131130: 1 list with 1 certificate, {named}\n"
    assert held(deployed[0]) == [grant]
    assert recheck("--ward", "131130").output == f"131130: 1 list with 1 certificate, {nothing}\n"
    assert held(deployed[0]) == [grant]


def test_the_command_takes_a_list_that_came_by_hand(
    deployed: tuple[Database, Vault],
    ward: Ward,
    authority_now: TestAuthority,
    certificate: JpkiCertificate,
    tmp_path: Path,
) -> None:
    grant, by_hand = mandated(*deployed, ward, certificate), tmp_path / "by hand"
    authority_now.revoke(SIGNATURE, certificate.serial, datetime.now(UTC), ReasonFlags.key_compromise)
    authority_now.crl_folder.rename(by_hand)
    assert recheck().exit_code == 1
    assert recheck("--lists", by_hand).exit_code == 0
    assert held(deployed[0]) == [grant]


def test_the_command_says_when_nothing_was_checked(
    deployed: tuple[Database, Vault], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for folder, said in ((tmp_path / "none", "cannot be read"), (tmp_path / "empty", "nothing was checked")):
        run = recheck("--lists", folder)
        assert (run.exit_code, said in run.output) == (1, True), run.output
    monkeypatch.delenv("DAIRI_CRL_FOLDER")
    assert "nothing was checked" in recheck().output
    assert "131121 is not served here" in recheck("--ward", "131121").output
    monkeypatch.setenv("DAIRI_TRUST_FOLDER", str(tmp_path / "none"))
    assert "cannot be opened" in recheck().output
