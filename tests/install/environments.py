"""Environments that hold what a kind of installation asks for, and nothing else; made without a download.

Each is a fresh virtual environment with the wheel in it. What the wheel requires is linked from the
environment that runs the tests, distribution by distribution, as its metadata asks for it.
"""

import email
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def build_wheel(folder: Path) -> Path:
    """Build the distribution as `pip` does, offline."""
    command = [
        sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-index",
        "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _asked(lines: Sequence[str], extras: frozenset[str]) -> Iterator[Requirement]:
    for line in lines:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield requirement


def required(wheel: Path, *extras: str) -> Mapping[str, Distribution]:
    """Everything that the wheel needs with some extras, by name; as installed here.

    :raises PackageNotFoundError: for what is not.
    """
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = email.message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    found: dict[str, Distribution] = {}
    done: set[tuple[str, frozenset[str]]] = set()
    waiting = list(_asked(lines, frozenset(extras)))
    while waiting:
        requirement = waiting.pop()
        name, wanted = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, wanted) not in done:
            done.add((name, wanted))
            found[name] = distribution(name)
            waiting += _asked(found[name].requires or (), wanted)
    return found


@dataclass(frozen=True)
class Environment:
    """One of them."""

    folder: Path
    packages: frozenset[str]

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, away from the source tree."""
        program, *arguments = command
        return subprocess.run(
            [str(self.folder / "bin" / program), *arguments],
            check=False,
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )


def make(folder: Path, wheel: Path, *extras: str) -> Environment:
    """Make one."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    needed = required(wheel, *extras)
    for one in needed.values():
        for top in {path.parts[0] for path in one.files or () if path.parts[0] not in {"..", "__pycache__"}}:
            if not (site / top).exists():
                (site / top).symlink_to(str(one.locate_file(top)))
    command = [
        sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "--quiet",
        "--disable-pip-version-check", "install", "--no-index", "--no-deps", str(wheel),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return Environment(folder, frozenset(needed))


def locked(name: str) -> Mapping[str, str]:
    """The versions of a lock, by name."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    pins = (line.split(" ")[0].split("==") for line in lines if "==" in line and not line.startswith(" "))
    return {canonicalize_name(name): version for name, version in pins}
