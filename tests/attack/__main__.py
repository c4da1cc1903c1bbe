"""``python -m tests.attack``, with the options of ``python -m tests.torture``."""

from __future__ import annotations

import sys

from tests.attack.catalogue import ROWS
from tests.torture.__main__ import main

if __name__ == "__main__":
    sys.exit(main(rows=ROWS))
