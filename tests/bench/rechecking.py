"""`python -m tests.bench.rechecking FOLDER`, twice: a long list is matched with many mandates, on SQLite.

A list of a million, a hundred thousand mandates, of which a thousand are named. The first run takes those up,
the second finds nothing new. Seconds are of the processor.
"""

import resource
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from assurance.database import table_of
from assurance.identifiers import IdentifierKind, mac_of
from card.certificates import Purpose, identity_of, read_certificate
from card.jose import Flattened
from card.test_authority import TestAuthority, new_card_key
from card.trust import Trust
from delegation.revoked.matching import match
from delegation.tables import GrantRow, MandateRow
from idp.delegating import parts_of
from idp.schema import migrate
from idp.services import Services, compose, open_database
from tests.bench import seeding
from tests.card.conftest import HANAKO

LISTED, MANDATES, NAMED = 1_000_000, 100_000, 1_000
_FIRST_SERIAL = 2**41


def _mb() -> float:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize() / 1e6


def _mandates(services: Services, authority: TestAuthority) -> list[int]:
    """Active grants with mandates of as many certificates; returns the serials of those to name."""
    root, key, now, ward = (
        authority.roots[Purpose.SIGNATURE],
        new_card_key(),
        services.clock.now(),
        seeding.WARD,
    )
    issuer, serials, rows = root.certificate.subject.public_bytes(), list[int](), list[dict[str, Any]]()
    grants = [seeding.grant_between(f"d{number}", f"p{number}", now) for number in range(MANDATES)]
    cipher, _ = services.vault.new_data_key(ward, "mandate/none")
    for number, grant in enumerate(grants):
        identity, container, wrapped = identity_of(issuer, b"k" * 20, number), b"", b""
        if number < NAMED:
            leaf = root.leaf(HANAKO, key.public_key(), now).sign(root.key, SHA256())
            read = read_certificate(leaf.public_bytes(Encoding.DER))
            identity, signed = read.identity, Flattened("e30", "e30", b"s", read.der).to_json()
            serials.append(read.serial)
            cipher, wrapped = services.vault.new_data_key(ward, f"mandate/{grant['id']}")
            container = cipher.seal(signed, table="mandate", column="container", row=grant["id"])
        mac = mac_of(services.vault, services.ward.code, IdentifierKind.CARD_SIGNATURE, identity)
        rows.append(
            {
                "ward": ward, "grant": grant["id"], "wrapped_key": wrapped, "container": container,
                "opening": b"", "record": "r", "certificate": mac, "signed_at": now,
            }
        )  # fmt: skip
    with services.database.writing_engine.begin() as connection:
        connection.execute(sa.insert(table_of(GrantRow)), grants)
        connection.execute(sa.insert(table_of(MandateRow)), rows)
    return serials


def _publish(authority: TestAuthority, serials: list[int], services: Services) -> None:
    root, now = authority.roots[Purpose.SIGNATURE], services.clock.now()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.certificate.subject)
        .last_update(now)
        .next_update(now + timedelta(hours=25))
    )
    others = range(_FIRST_SERIAL, _FIRST_SERIAL + LISTED - len(serials))
    reason = x509.CRLReason(x509.ReasonFlags.superseded)
    builder._revoked_certificates = [
        x509.RevokedCertificateBuilder()
        .serial_number(serial)
        .revocation_date(now)
        .add_extension(reason, critical=False)
        .build()
        for serial in (*others, *serials)
    ]
    (authority.crl_folder / "signature.crl").write_bytes(
        builder.sign(root.key, SHA256()).public_bytes(Encoding.DER)
    )


def _seed(folder: Path) -> Services:
    environment = seeding.environment_of(folder, f"sqlite:///{folder / 'dairi.db'}", 8400)
    settings = seeding.settings_of(environment)
    database, _ = open_database(settings)
    migrate(database)
    database.close()
    return compose(settings, sandbox=True)[0]


def main(folder: Path) -> None:
    """Seed at the first call with a folder, measure at the second, which holds nothing of the seeding."""
    if not (folder / "dairi.db").exists():
        authority = TestAuthority.create(folder / "authority")
        services = _seed(folder)
        _publish(authority, _mandates(services, authority), services)
        services.database.close()
        return
    environment = seeding.environment_of(folder, f"sqlite:///{folder / 'dairi.db'}", 8400)
    services = compose(seeding.settings_of(environment), sandbox=True)[0]
    trust: Trust = services.trust
    parts, roots = parts_of(services), trust.anchors[Purpose.SIGNATURE]
    before, began = _mb(), time.process_time()
    lists = trust.revocation.lists(roots, services.clock.now())
    print(f"read and verified in {time.process_time() - began:.1f} s, {_mb() - before:.0f} MB for the list")
    for run in ("first", "second"):
        before, began = _mb(), time.process_time()
        done = match(parts, lists)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        took = time.process_time() - began
        print(f"{run} run: {took:.1f} s, {_mb() - before:+.0f} MB, peak of the process {peak:.0f} MB: {done}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
