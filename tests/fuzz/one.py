"""Fuzz one target with atheris; started by `python -m tests.fuzz`."""

import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["card", "jose", "asn1crypto"]):
    from tests.fuzz.targets import targets

KEPT = Path(".artifacts/fuzz")


def fuzz(name: str, seconds: str, folder: Path) -> None:
    """Fuzz one target, beginning with its seeds and what was kept of earlier runs; never returns."""
    warnings.simplefilter("ignore")  # the library warns of what is odd in a certificate
    target = targets(folder)[name]
    corpus = KEPT / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", "-max_len=20000", f"-artifact_prefix={KEPT}/{name}-"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
