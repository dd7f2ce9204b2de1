"""Whether this run takes hours rather than minutes (`make soak`); read here and nowhere else."""

import os
from typing import Final

SOAKS: Final = os.environ.get("DAIRI_SOAK") == "1"
