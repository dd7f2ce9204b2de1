"""The process that serves: one event loop, and a garbage collector that keeps nobody waiting."""

import gc
from collections.abc import Sequence
from typing import Final

import uvicorn

from delegation.audit.sequencer import Sequencer
from idp.app import Background, create_app
from idp.rechecker import Rechecker
from idp.services import Services
from idp.settings import Settings
from idp.sweeper import Sweeper

_TO_FINISH_S: Final = 20
_YOUNG_OBJECTS: Final = 20_000


def background_of(wards: Sequence[Services]) -> Sequence[Background]:
    """What works beside the requests: deleting what expired, checking mandates again, numbering the leaves.

    The sequencer stops last: it closes the writers of whatever recorded something before.
    """
    database, clock = wards[0].database, wards[0].clock
    logs = [(services.ward, services.keys.log) for services in wards]
    codes = [services.ward.code for services in wards]
    return Sweeper(database, codes, clock), Rechecker(wards), Sequencer(database, logs, clock)


def _collect_little() -> None:
    """Leave out of every collection what lives as long as the process.

    A full one walks all that was loaded, a hundred milliseconds in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 50, 100)


def run(settings: Settings, wards: Sequence[Services]) -> None:
    """Serve wards until a signal; what was begun is finished first."""
    app = create_app(wards, background_of(wards))
    _collect_little()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=_TO_FINISH_S,
    )
