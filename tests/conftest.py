"""What every test may use, and the promise that a run as root leaves nothing out."""

import os

import pytest


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run that skipped something where nothing may be skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if skipped and exitstatus == pytest.ExitCode.OK and os.environ.get("DAIRI_TESTS_ALLOW_NO_SKIP") == "1":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
