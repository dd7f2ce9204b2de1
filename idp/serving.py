"""The process that serves: one event loop, and a garbage collector that keeps nobody waiting."""

import gc
from collections.abc import Sequence
from typing import Final

import uvicorn

from idp.app import create_app
from idp.services import Services, background_of
from idp.settings import Settings

_TO_FINISH_S: Final = 20
_YOUNG_OBJECTS: Final = 20_000


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
