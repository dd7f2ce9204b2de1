"""What is inside the wheel, and that the locks hold what it asks for."""

import zipfile
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from tests.install.environments import ROOT, locked, required

PACKAGES = ("assurance", "card", "delegation", "deploy", "idp", "policies")


def _tracked() -> set[str]:
    """Everything in the packages' folders that is no trace of running them."""
    return {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name and name[-1] != "/"}
    assert inside == _tracked()


@pytest.mark.parametrize("package", PACKAGES)
def test_pep561_every_package_says_that_it_is_typed(wheel: Path, package: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert f"{package}/py.typed" in archive.namelist()


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements-server.txt", ("server",)),
        ("requirements-card.txt", ("server", "card")),
        ("requirements-card.txt", ("card",)),
        ("requirements-server.txt", ()),
    ],
)
def test_what_each_kind_of_installation_needs_is_locked_at_the_version_that_is_tested(
    wheel: Path, lock: str, extras: tuple[str, ...]
) -> None:
    try:
        needed = required(wheel, *extras)
    except PackageNotFoundError as error:
        pytest.skip(f"install tests: {error.name} is not installed here")
    pins = locked(lock)
    assert {name: one.version for name, one in needed.items()} == {name: pins.get(name) for name in needed}
