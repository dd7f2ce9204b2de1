"""SIGKILL at random moments under load, on SQLite with FULL and on PostgreSQL: what was answered is there.

A kill falls after a seeded number of answers and some seeded milliseconds. That is as near to repeating one
as a race with the clock gets: the seed, which is shown, gives the same victims and questions, not the same
moment. SIGKILL spares the operating system's memory: a power cut, for which FULL is there, is not tried.
"""

import os
import random
import secrets
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

from tests import postgresql
from tests.soak import SOAKS
from tests.workers.browser import Unanswered
from tests.workers.deployment import Deck, Deployment, deployed
from tests.workers.load import Load
from tests.workers.standing import Seen, check

KILLS: Final = 100 if SOAKS else 3
WORKERS: Final = 2


@pytest.fixture(params=["sqlite", "postgresql"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path, deck: Deck) -> Iterator[Deployment]:
    if request.param == "sqlite":
        with deployed(tmp_path, f"sqlite:///{tmp_path / 'dairi.db'}", deck, WORKERS) as running:
            yield running
        return
    with postgresql.cluster(durable=True) as url:
        if url is None:
            pytest.skip("PostgreSQL is not installed (apt install postgresql)")
        with deployed(tmp_path, url, deck, WORKERS) as running:
            yield running


def kill_a_backend(deployment: Deployment) -> None:
    """Of PostgreSQL itself, which then ends every other and recovers from its log."""
    engine = deployment.services.database.engine
    with engine.connect() as connection:
        others = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        pids = connection.execute(sa.text(others)).scalars().all()
    engine.dispose()
    os.kill(random.choice(pids), signal.SIGKILL)  # noqa: S311 # whichever


def strike(deployment: Deployment, rng: random.Random) -> str:
    """Kill one worker, both, or a backend of PostgreSQL; what was killed is started again by `mend`."""
    may_hit_backend = deployment.services.database.engine.dialect.name == "postgresql"
    target = rng.choice(["first", "second", "both", "backend" if may_hit_backend else "first"])
    if target == "backend":
        kill_a_backend(deployment)
    for name, worker in zip(("first", "second"), deployment.workers, strict=True):
        if target in {name, "both"}:
            worker.kill()
    return target


def mend(load: Load, target: str) -> None:
    """Start what was killed, and go on until every worker answers."""
    deployment = load.deployment
    for name, worker in zip(("first", "second"), deployment.workers, strict=True):
        if target in {name, "both"}:
            worker.start()
    for worker in deployment.workers:
        worker.wait_until_ready()
    well = 0
    while (
        well < WORKERS
    ):  # the batch door notices that its connection broke when somebody asks, who gets a 503
        try:
            load.portal.log_in()
            well += 1
        except Unanswered:
            well = 0


def wait_for_answers(load: Load, count: int) -> None:
    enough, until = load.acknowledged + count, time.monotonic() + 300
    while load.acknowledged < enough and not load.log.surprises and time.monotonic() < until:
        time.sleep(0.005)
    assert load.acknowledged >= enough or load.log.surprises, "the load stands still"


@pytest.mark.timeout(300 + 90 * KILLS)
def test_what_was_answered_outlives_every_kill(deployment: Deployment) -> None:
    seed = int(os.environ.get("DAIRI_SEED", secrets.randbelow(10**6)))
    print(f"DAIRI_SEED={seed}")  # pytest shows it when the test fails
    rng, load, seen, targets = random.Random(seed), Load(deployment, seed), Seen(), Counter[str]()  # noqa: S311 # to be repeated
    load.begin()
    began, waited = time.monotonic(), 0.0
    for _ in range(KILLS):
        with load.running():
            wait_for_answers(load, rng.randint(1, 30))
            time.sleep(rng.uniform(0, 0.05))
            target = strike(deployment, rng)
            if target != "both":
                time.sleep(rng.uniform(0, 0.3))  # the others go on
        mend(load, target)
        targets[target] += 1
        before = time.monotonic()
        check(load, seen, rng)
        waited += time.monotonic() - before
    check(load, seen, rng, all_of_it=True)
    took = time.monotonic() - began
    print(f"{dict(targets)} in {took:.0f} s, {waited:.0f} s of them looking; {dict(load.log.answers)}")
    assert load.log.answers.keys() >= {"login", "accepted", "active", "code redeemed", "decision"}
    load.balancer.close()
