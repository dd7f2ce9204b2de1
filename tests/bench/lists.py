"""`python -m tests.bench.lists FOLDER`: read an authority's lists in a process of its own, and look up."""

import json
import sys
import time
from pathlib import Path

from card.certificates import Purpose, read_certificate
from card.clock import SystemClock
from card.revocation import CrlFiles
from card.test_authority import TestAuthority
from tests.bench.load import peak_mb, resident_mb
from tests.bench.timing import least_us


def main() -> None:
    """Tell seconds, megabytes and microseconds, as JSON."""
    folder, now = Path(sys.argv[1]), SystemClock().now()
    authority = TestAuthority.load(folder / "authority")
    issuer = authority.roots[Purpose.AUTHENTICATION].certificate
    files = sorted((folder / "certificates").glob("*.der"))
    certificates = [read_certificate(file.read_bytes()).x509 for file in files]
    source, before, began = CrlFiles(authority.crl_folder), resident_mb("self"), time.process_time()
    source.status(certificates[0], issuer, now)
    told = {
        "load_s": time.process_time() - began,
        "memory_mb": resident_mb("self") - before,
        "peak_mb": peak_mb("self") - before,
        "look_up_us": least_us(lambda certificate: source.status(certificate, issuer, now), certificates),
    }
    print(json.dumps({name: round(value, 1) for name, value in told.items()}))


if __name__ == "__main__":
    main()
