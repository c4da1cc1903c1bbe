"""The instruments of ``make bench``: what they measure is what there is."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from benchmarks import growth, load
from benchmarks.catalogue import LINES
from benchmarks.compare import Comparison, Line, Plan, alternate
from benchmarks.profile_read import PARTS
from benchmarks.results import RESULTS
from benchmarks.serving import WORKERS, bare, service
from tests.support.server import ROOT

_DELAY = 0.02
# By the same functions as another line, or made of what the long rows' tests run.
_ELSEWHERE = {"read-token", "list", "rotation"}


class _Handler(BaseHTTPRequestHandler):
    """Answers after a while; some paths with a failure."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(_DELAY)
        body = b"x" * 5000
        self.send_response(503 if self.path == "/away" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    """A server that takes its time."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield "127.0.0.1", server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_rate_is_what_a_server_of_known_speed_gives(address: tuple[str, int]) -> None:
    """Two connections, each answered after 20 ms: never more than 100 a second, and not none."""
    found = load.apply(address, [load.message("GET", "/", {})], 1, connections=2)
    assert 1 < found.rate <= 2 / _DELAY
    assert found.p99_ms >= found.p50_ms >= _DELAY * 1000


def test_a_load_that_is_shorter_than_an_answer_waits_for_two(address: tuple[str, int]) -> None:
    """There is no rate, and no spread, of nothing."""
    found = load.apply(address, [load.message("GET", "/", {})], _DELAY / 1000, connections=1)
    assert found.answers == 2
    assert found.seconds >= _DELAY  # the first may have been under way already


def test_a_server_that_refuses_is_not_fast(address: tuple[str, int]) -> None:
    """One bad answer ends the measurement."""
    with pytest.raises(RuntimeError, match="503"):
        load.apply(address, [load.message("GET", "/away", {})], 0.2, connections=1)


@pytest.mark.parametrize(
    ("at_most", "ratio", "reached"),
    [(False, 0.5, True), (False, 0.49, False), (True, 0.5, True), (True, 0.51, False)],
)
def test_a_line_is_reached_from_its_own_side(at_most: bool, ratio: float, reached: bool) -> None:
    """A rate should be high, and memory low; just so is enough."""

    def measure(_plan: Plan) -> Comparison:
        raise NotImplementedError

    assert Line("one", "a thing", "another", 0.5, measure, at_most).reaches(ratio) is reached


def test_both_sides_run_under_the_same_command(tmp_path: Path) -> None:
    """The production server as the README starts it: only the port and the folder differ."""
    with service(tmp_path / "service") as ours, bare("json_route", tmp_path) as limit:
        commands = []
        for serving in (ours, limit):
            assert serving.process is not None
            assert len(serving.workers()) == WORKERS
            commands.append(str(serving.process.args).replace(str(serving.port), "PORT"))
        answers = [requests.get(f"http://127.0.0.1:{it.port}/", timeout=10) for it in (ours, limit)]
    assert commands[0] == commands[1]
    assert "'-m', 'utils.serving', '--plain-http'" in commands[0]
    assert [answer.status_code for answer in answers] == [404, 200]  # the API has nothing there


def test_the_sides_take_turns() -> None:
    """And in turns, the first turn."""
    order: list[str] = []

    def side(name: str) -> float:
        order.append(name)
        return 1.0

    found = alternate(Plan(Path(), rounds=3), "things", lambda: side("ours"), lambda: side("limit"))
    assert order == ["ours", "limit", "limit", "ours", "ours", "limit"]
    assert found.ratios == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", [name for name in LINES if name not in _ELSEWHERE])
def test_every_line_measures_both_sides(name: str, tmp_path: Path) -> None:
    """For a moment only: whether it reaches its goal is for ``make bench`` to say."""
    found = LINES[name].measure(Plan(tmp_path, rounds=1, seconds=0.2, scale=0.001))
    assert all(figure > 0 for figure in (*found.ours, *found.limit))
    assert len(found.ours) == len(found.limit) == 1


def test_a_run_says_whether_all_lines_reach_what_they_should() -> None:
    """In its exit status, and a row each. So short a run leaves no trace."""
    before = RESULTS.read_bytes() if RESULTS.exists() else None
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--line", "start", "--rounds", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == (0 if done.stdout.rstrip().endswith("ok") else 1)
    assert "start" in done.stdout
    assert (RESULTS.read_bytes() if RESULTS.exists() else None) == before


def test_growth_measures_each_kind_of_work_at_each_size(tmp_path: Path) -> None:
    """For a moment, and into the file that it is given."""
    output = tmp_path / "growth.json"
    growth.main(["--most", "100", "--rounds", "1", "--seconds", "0.2", "--output", str(output)])
    costs = growth.load_costs(output)
    assert [cost["name"] for cost in costs] == ["rotation", "read", "list", "write", "start"]
    assert all(cost["secrets"] == 100 and cost["median"] > 0 for cost in costs)


def test_a_profile_tells_all_of_a_read() -> None:
    """Every part was found, and together they are the whole."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.profile_read", "--reads", "30"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    *parts, whole = ran.stdout.splitlines()
    times = [float(part.split()[0]) for part in parts]
    assert len(times) == len(PARTS) + 1
    assert min(times) > 0
    assert sum(times) == pytest.approx(float(whole.split()[0]), abs=len(times))
