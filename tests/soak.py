"""Whether this run may take its time: `make soak` sets it."""

import os
from typing import Final

SOAK: Final = os.environ.get("DAIRI_SOAK") == "1"
