"""Deleting what expired."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from assurance.database import Database, table_of
from assurance.tables import ChallengeRow
from idp import sweeper
from idp.services import Services
from idp.sweeper import Sweeper, sweep
from idp.tables import (
    AuthorizationRow,
    CodeRow,
    InteractionRow,
    LoginSessionRow,
    RefreshTokenRow,
    UsedJtiRow,
)
from tests.conftest import FixedClock
from tests.idp.conftest import LogIn, WardSystem, authorize, redeem, returned

ROWS = (
    ChallengeRow, InteractionRow, CodeRow, RefreshTokenRow, UsedJtiRow, LoginSessionRow, AuthorizationRow
)  # fmt: skip


def counts(database: Database) -> dict[str, int]:
    with database.reading() as session:
        return {
            table_of(row).name: session.connection()
            .execute(sa.select(sa.func.count()).select_from(table_of(row)))
            .scalar_one()
            for row in ROWS
        }


def test_what_expired_is_deleted_a_day_later_and_nothing_else(
    browser: TestClient, portal: WardSystem, log_in: LogIn, services: Services, clock: FixedClock
) -> None:
    browser.get("/login/email?i=" + authorize(browser, portal).headers["location"].rpartition("=")[2])
    log_in()
    redeem(portal, returned(authorize(browser, portal))["code"])
    before = counts(services.database)
    assert all(before[name] for name in before if name != "challenge")
    clock.advance(timedelta(hours=20))
    assert not any(sweep(services.database, services.ward.code, clock.now()).values())
    clock.advance(timedelta(hours=13))
    deleted = sweep(services.database, services.ward.code, clock.now())
    others = ("notice", "counter_visit", "counter_card", "paper_entry")
    assert deleted == before | dict.fromkeys(others, 0)
    assert not any(counts(services.database).values())


def test_more_than_one_batch_is_swept(services: Services, clock: FixedClock) -> None:
    row = {"ward": services.ward.code, "client_id": "c", "expires_at": clock.now()}
    with services.database.writing(services.ward.code) as unit:
        rows: list[dict[str, Any]] = [row | {"jti": str(number)} for number in range(1201)]
        unit.session.connection().execute(sa.insert(table_of(UsedJtiRow)), rows)
    clock.advance(timedelta(days=2))
    assert sweep(services.database, services.ward.code, clock.now())["used_jti"] == 1201


def test_another_wards_rows_are_left_alone(services: Services, clock: FixedClock) -> None:
    with services.database.writing(services.ward.code) as unit:
        unit.session.add(UsedJtiRow(ward="131121", client_id="c", jti="j", expires_at=clock.now()))
    clock.advance(timedelta(days=2))
    assert not any(sweep(services.database, services.ward.code, clock.now()).values())


def test_the_sweeper_sweeps_by_itself_and_stops(
    services: Services, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "_EVERY_S", 0.01)
    with services.database.writing(services.ward.code) as unit:
        unit.session.add(UsedJtiRow(ward=services.ward.code, client_id="c", jti="j", expires_at=clock.now()))
    clock.advance(timedelta(days=2))
    sweeping = Sweeper(services.database, [services.ward.code], clock)
    sweeping.start()
    for _ in range(500):
        if not counts(services.database)["used_jti"]:
            break
        sweeping._stopped.wait(0.01)
    sweeping.stop()
    assert counts(services.database)["used_jti"] == 0
