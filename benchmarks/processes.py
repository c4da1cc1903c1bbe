"""What the service costs before and besides its answers: start, memory, rotation."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks import load
from benchmarks.compare import Comparison, Plan, alternate
from benchmarks.filling import fill
from benchmarks.serving import SETTINGS, Caller, Serving, answers, bare, environment, service
from tests.support.ports import free_port
from tests.support.server import ROOT
from tests.torture.timed_rotator import Timed

_REQUESTS = 100_000
_ROTATED = 20_000


def start(plan: Plan) -> Comparison:
    """From ``flask run`` to the first answer."""
    settings = {**SETTINGS, "SECRETS_INSTANCE_DIR": str(plan.folder / "service")}
    seconds_to_answer("app", "/healthz", settings)  # makes the database and the keys
    return alternate(
        plan,
        "seconds",
        lambda: seconds_to_answer("app", "/healthz", settings),
        lambda: seconds_to_answer("benchmarks.bare:json_route", "/", {}),
    )


def seconds_to_answer(application: str, path: str, environ: Mapping[str, str]) -> float:
    """How long ``flask run`` of *application* takes until *path* is answered."""
    port = free_port()
    command = [sys.executable, "-m", "flask", "--app", application, "run", "--port", str(port)]
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not answers(f"http://127.0.0.1:{port}{path}"):
            time.sleep(0.002)
        return time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()


def memory(plan: Plan) -> Comparison:
    """A worker's memory after 100,000 requests."""
    with service(plan.folder / "service") as ours, bare("json_route", plan.folder) as limit:
        caller = Caller(f"http://127.0.0.1:{ours.port}", "bench")
        session = caller.enter()
        names = caller.store(session, 100)
        reads = [load.message("GET", f"/secrets/{name}", session) for name in names]
        requests = plan.scaled(_REQUESTS)
        return Comparison(
            "MB a worker",
            [_megabytes_after(requests, plan.seconds, ours, reads)],
            [_megabytes_after(requests, plan.seconds, limit, [load.message("GET", "/", {})])],
            f"{requests} requests",
        )


def _megabytes_after(
    requests: int, seconds: float, serving: Serving, messages: list[bytes]
) -> float:
    answered = 0
    while answered < requests:
        answered += load.apply(serving.address, messages, seconds).answers
    workers = serving.workers()
    return sum(map(_megabytes, workers)) / len(workers)


def _megabytes(pid: int) -> float:
    """What belongs to this process alone, and its share of what it shares (PSS)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in rollup if line.startswith("Pss:")).split()[1]) / 1024


def rotation(plan: Plan) -> Comparison:
    """A whole rotation, beside a bare loop of decrypt + encrypt + decrypt between its batches."""
    secrets = plan.scaled(_ROTATED)
    with service(plan.folder / "service") as serving:
        Caller(f"http://127.0.0.1:{serving.port}", "bench").enter()
        fill(serving.environ, "bench", secrets)
        rounds = rotate(serving.environ, plan.rounds)
    rates, limits = [one.rate for one in rounds], [one.bare for one in rounds]
    return Comparison("secrets/s", rates, limits, f"{secrets} secrets")


def rotate(environ: Mapping[str, str], times: int) -> list[Timed]:
    """Rotate everything of the installation that *environ* names."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.timed_rotator", str(times)],
        cwd=ROOT,
        env=environment(environ),
        stdout=subprocess.PIPE,
        check=True,
    )
    return [Timed(**one) for one in json.loads(done.stdout)]
