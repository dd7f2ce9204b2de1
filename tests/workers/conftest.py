"""Residents' cards for every deployment of this folder."""

import pytest

from tests.workers.deployment import Deck


@pytest.fixture(scope="package")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Deck:
    return Deck.issue(tmp_path_factory.mktemp("deck") / "authority", 4)
