"""The wheel, built once, and one environment for each way to install it."""

from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from tests.install.environments import Environment, build_wheel, make

Install = Callable[..., Environment]


@pytest.fixture(scope="package")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="package")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    @cache
    def run(*extras: str) -> Environment:
        try:
            return make(tmp_path_factory.mktemp("environment"), wheel, *extras)
        except PackageNotFoundError as error:
            pytest.skip(f"install tests: {error.name} is not installed here, so [{extras[0]}] cannot be")

    return run
