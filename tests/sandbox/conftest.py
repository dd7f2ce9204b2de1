"""Two residents of a ward whose provider is composed as the sandbox composes it."""

from dataclasses import replace

import pytest
from starlette.applications import Starlette

from deploy.sandbox.pick import PickAPerson
from idp.app import create_app
from idp.services import Services, make_pages
from tests.assurance.conftest import authority, cards, linked, staff, thresholds
from tests.delegation.conftest import town
from tests.idp.conftest import mail, new_system, portal
from tests.idp.conftest import services as production

__all__ = [
    "authority", "cards", "linked", "mail", "new_system", "portal", "production", "staff", "thresholds",
    "town",
]  # fmt: skip


@pytest.fixture
def picking() -> PickAPerson:
    return PickAPerson()


@pytest.fixture
def services(production: Services, picking: PickAPerson) -> Services:
    return replace(production, pages=make_pages([picking]), other_logins=(picking,))


@pytest.fixture
def app(services: Services) -> Starlette:
    return create_app([services])
