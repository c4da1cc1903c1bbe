"""Every row of ``make torture``, ``attack``, ``fuzz`` and ``soak``, the very same code, for
seconds only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack.catalogue import ROWS as ATTACKS
from tests.fuzz.catalogue import ROWS as FUZZ
from tests.soak.catalogue import ROWS as SOAK
from tests.torture.catalogue import ROWS
from tests.torture.framework import Attempt, attempt

_SCALE = 0.015
_AGAIN = 0.005  # of a row that has run on the other engine: it is the same code
_SEED = 1
_ALL = {**ROWS, **ATTACKS, **FUZZ, **SOAK}


# A socket that the other end reset while it connected is left open by the ssl module and urllib3.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize("name", _ALL)
def test_a_short_run_reaches_its_goals(name: str, tmp_path: Path) -> None:
    """The row's own verdict; what it has to say about a failure is in the captured output."""
    scale = _AGAIN if name.endswith("-postgresql") else _SCALE
    result = attempt(name, _ALL[name], Attempt(tmp_path, _SEED, scale))
    assert result.ok, str(result)
