"""The instruments of ``make soak``: a search that finds, and a scale that sees growth."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path

import pytest

from tests.soak.chores import Chore, Processes
from tests.soak.heard import PLACES, Heard
from tests.soak.soak import CONTROLS, KINDS
from tests.support import canaries
from tests.support.production import ProductionServer
from tests.support.rotation import wait_until

CANARY = b"canary-5b1e0c9a7d"


@pytest.fixture
def heard(tmp_path: Path) -> Heard:
    """A soak's ears, and a server's log."""
    (tmp_path / "log").write_text('{"event": "request"}\n')
    return Heard(tmp_path / "heard", tmp_path / "log")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_canary_is_found_wherever_it_got_to(heard: Heard, kind: str, place: str) -> None:
    """Of every kind, in every place that is searched, in every spelling; and not before."""
    heard.plant(kind, CANARY)
    for control in PLACES:
        heard.hear(control, b"nothing")
    assert heard.hits() == []
    for number, spelt in enumerate(canaries.spellings(CANARY).values()):
        heard.hear(place, b"before %d %s after" % (number, spelt))
        assert len(heard.hits()) > number // 3
    assert all(f" in {place}" in hit and kind in hit for hit in heard.hits())


def test_a_canary_in_the_servers_log_is_found(heard: Heard, tmp_path: Path) -> None:
    """The log is the server's own file, which nobody has to hear."""
    heard.plant("secret", CANARY)
    assert heard.hits() == []
    with (tmp_path / "log").open("ab") as log:
        log.write(b'{"event": "request", "route": "/secrets/' + CANARY + b'"}\n')
    assert heard.hits() == ["secret 0 (plain) in log"]


def test_one_canary_is_found_among_thousands(heard: Heard) -> None:
    """A soak gives out a cookie a minute, and each rotation makes keys: another way to search."""
    for number in range(1000):
        heard.plant("user key", b"%04d" % number * 8)
    heard.hear("audit", b"x" * 100_000)
    assert heard.hits() == []
    heard.hear("audit", b"%04d" % 123 * 8)
    heard.hear("metrics", base64.b64encode(b"before" + b"%04d" % 456 * 8 + b"after"))
    places = {hit.partition(" (")[0] + hit.rpartition(")")[2] for hit in heard.hits()}
    assert places == {"user key 123 in audit", "user key 456 in metrics"}


def test_every_place_has_something_by_which_it_is_known() -> None:
    """A place that was never looked at has no hits either."""
    assert set(CONTROLS) == set(PLACES)
    assert len(KINDS) == 8


def test_growth_is_seen(tmp_path: Path, heard: Heard) -> None:
    """From the first to the last of what counts, one worker at a time; the warm-up does not."""
    processes = Processes(ProductionServer(tmp_path / "instance"), heard, 0)
    warm_up = [(float(when), 10 + when) for when in range(100)]
    processes.memory = {
        1: [*warm_up, *((100.0 + when, 1000) for when in range(100))],
        2: [*warm_up, *((100.0 + when, 1000 + when) for when in range(100))],
    }
    growth = processes.growth(100.0)
    assert growth[1] == 0
    assert 8 < growth[2] < 10
    assert processes.course()[1] == [0, 0, 0, 0, 0, *[1] * 5]


def test_all_processes_of_a_server_are_seen(tmp_path: Path) -> None:
    """The workers' memory, and what anybody can see of their command lines."""
    server = ProductionServer(tmp_path / "instance", workers=2)
    heard = Heard(tmp_path / "heard", server.log)
    heard.plant("user key", b"utils.serving")  # which is on the command line
    with server:
        processes = Processes(server, heard, os.getpid())

        def two_are_seen() -> bool:
            processes.watch()
            return len(processes.memory) >= 2

        wait_until(two_are_seen, "the second worker is up")
        pids = set(processes.memory)
    assert len(pids) >= 2
    assert all(kib > 10_000 for samples in processes.memory.values() for _, kib in samples)
    assert any("in arguments" in hit for hit in heard.hits())


def test_a_chore_tells_what_went_wrong() -> None:
    """And goes on."""

    def work() -> str | None:
        if chore.done == 0:
            raise OSError("at first")
        return "then" if chore.done == 1 else None

    chore = Chore("chore", 0.001, work)
    with chore:
        deadline = time.monotonic() + 60
        while chore.done < 3 and time.monotonic() < deadline:
            time.sleep(0.001)
    assert chore.faults == ["chore: OSError('at first')", "chore: then"]
