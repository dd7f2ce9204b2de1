"""The whole ward: residents with cards, a ward system, a browser, and what asks for decisions."""

from tests.delegation.conftest import (
    app,
    authority,
    cards,
    linked,
    mail,
    new_system,
    portal,
    services,
    staff,
    thresholds,
    town,
)
from tests.delegation.test_acting import decider
from tests.idp.conftest import browser, log_in

__all__ = [
    "app", "authority", "browser", "cards", "decider", "linked", "log_in", "mail", "new_system", "portal",
    "services", "staff", "thresholds", "town",
]  # fmt: skip
