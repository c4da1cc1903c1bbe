"""What schemathesis sends to the live server: all that the document allows, and all it forbids.

It makes cases from ``/openapi.json`` by itself, in four phases: examples, boundaries of each field,
at random, and in sequences that use what was made before. It holds every answer against the
document: status, content type, headers, schema; what must be refused and what must be taken;
whether credentials are asked for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.server import ROOT, Server
from tests.torture.framework import Attempt, Figure

CASES = 20_000
# For each of some 30 operations, at random; the other phases have as many as they need.
_EXAMPLES = 900
_LONG = 0.1  # of a full run
_PATIENCE_SECONDS = 4 * 60 * 60
_SHOWN_CHARACTERS = 20_000
# Where a schema cannot tell: a precondition that does not hold is an answer to valid data too, and
# a value that is too large is not refused as a field.
_CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "412"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409",
  "411", "412", "413", "415", "422"]
"""
_SERVER_ERRORS = {"ServerError", "ContentTypeServerError"}
_CRASHES = ('"problem": "internal-error"', '"event": "crash"', "Traceback (most recent call last)")
Report = dict[str, Any]


def row(attempt: Attempt) -> Sequence[Figure]:
    """All of schemathesis's checks: 0 server errors, 0 answers that are not documented."""
    # Guessing is another row's subject, and so are floods of logins.
    limits = {f"SECRETS_LOGIN_ATTEMPTS_{name}": "0" for name in ("PAIR", "ACCOUNT", "SOURCE")}
    environ = {
        **limits,
        "SECRETS_HASHING_QUEUE": "100",
        "SECRETS_ACCESS_TOKEN_LIFETIME": "7d",  # a full run takes longer than 15 minutes
    }
    with Server(attempt.folder / "instance", environ) as server:
        report = fuzz(attempt, server.url)
        log = server.log.read_text(errors="replace")
    errors, unlike = faults(report)
    crashes = sum(log.count(sign) for sign in _CRASHES)
    return [
        Figure(report["operations"]["tested"], "operations", at_least=20),
        Figure(report["test_cases"]["generated"], "cases", at_least=attempt.scaled(CASES)),
        Figure(errors + crashes, "server errors", at_most=0),
        Figure(unlike, "answers that are not as documented", at_most=0),
        Figure(len(report["errors"]), "cases that could not be tried", at_most=0),
    ]


def faults(report: Report) -> tuple[int, int]:
    """Server errors, and all kinds of answers that are not as documented, these included."""
    errors = sum(one["count"] for one in report["failures"] if one["type"] in _SERVER_ERRORS)
    return errors, report["test_cases"]["unique_failures"]


def fuzz(attempt: Attempt, url: str, *options: str) -> Report:
    """Run the command; what it reports. What it prints stays in the folder, and is shown if it
    found something."""
    configuration = attempt.folder / "schemathesis.toml"
    configuration.write_text(_CONFIGURATION)
    # The boundaries of every field are some 700 cases, too many for a short run.
    phases = "examples,coverage,fuzzing,stateful" if attempt.scale >= _LONG else "examples,fuzzing"
    report, printed = attempt.folder / "report.json", attempt.folder / "schemathesis.txt"
    # Not sanitized: this server's tokens end with it, and `[Filtered]` would hide what failed.
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)),
        *("run", f"{url}/openapi.json", "--checks", "all", "--continue-on-failure"),
        *("--phases", phases),
        *("--seed", str(attempt.seed), "--max-examples", str(attempt.scaled(_EXAMPLES))),
        *(
            "--report",
            "json",
            "--report-json-path",
            str(report),
            "--no-color",
            "--output-sanitize=false",
            *options,
        ),
    ]
    with printed.open("w") as out:
        subprocess.run(
            command,
            cwd=attempt.folder,
            env={**os.environ, **_environment(url)},
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE_SECONDS,
            check=False,  # the report tells, or is missing
        )
    return _read(attempt, report, printed)


def _environment(url: str) -> dict[str, str]:
    return {
        "SCHEMATHESIS_HOOKS": "tests.fuzz.schemathesis_hooks",
        "FUZZED_URL": url,
        "PYTHONPATH": str(ROOT),
    }


def _read(attempt: Attempt, report: Path, printed: Path) -> Report:
    if not report.is_file():
        raise RuntimeError(f"schemathesis did not finish:\n{printed.read_text()[-3000:]}")
    found: Report = json.loads(report.read_text("utf-8"))
    if found["failures"] or found["errors"]:
        attempt.say(_what_failed(printed.read_text()))
    return found


def _what_failed(printed: str) -> str:
    """The part with the requests and answers: how the run went comes before it, and is long."""
    _, heading, failures = printed.partition("= FAILURES =")
    return (heading + failures or printed)[:_SHOWN_CHARACTERS]
