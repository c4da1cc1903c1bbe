"""Files of variables as they are really read: by bash, by python-dotenv, by Docker and by jq."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import dotenv

# Between two lines of a file that Docker reads, and in front of one: Go's unicode.IsSpace.
_GO_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_GO_LONGEST_LINE = 65_536  # with its newline: bufio.MaxScanTokenSize


def read_by_bash(path: Path, locale: str = "C.UTF-8") -> dict[str, str]:
    """What a program gets that bash starts after ``set -a; . file``. Nothing else may be set."""
    given = {"PATH": os.environ["PATH"], "LC_ALL": locale, "HOME": "/home/of-nobody"}
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-c", 'set -a; . "$1"; exec env -0', "bash", str(path)],
        env=given,
        cwd=path.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=60,
    )
    complaints = [line for line in done.stderr.splitlines() if b": setlocale: " not in line]
    assert complaints == [], "bash complains"
    entries = [entry.partition(b"=") for entry in done.stdout.split(b"\0")[:-1]]
    found = {key.decode(): value.decode() for key, _, value in entries}
    ours = {"PWD", "OLDPWD", "SHLVL", "_"}
    return {
        key: value for key, value in found.items() if key not in ours and given.get(key) != value
    }


def read_by_dotenv(path: Path) -> dict[str, str]:
    """python-dotenv as its users call it: with interpolation."""
    found = dotenv.dotenv_values(path)
    return {key: value for key, value in found.items() if value is not None}


def read_by_docker(path: Path) -> dict[str, str]:
    """``docker run --env-file``, by its rules: a line is a variable; leading white space, and lines
    that begin with #, are left out; all after the first ``=`` is the value, quotes included.

    (docs.docker.com/reference/cli/docker/container/run/#env, and pkg/kvfile of Docker's client.)
    """
    data = path.read_bytes()
    assert all(len(line) + 1 <= _GO_LONGEST_LINE for line in data.split(b"\n")), "token too long"
    found = {}
    for line in data.decode().removeprefix("\ufeff").split("\n"):
        text = line.removesuffix("\r").lstrip(_GO_SPACE)
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        assert equals, "a name without a value is looked up where docker runs"
        assert key, "no variable name on line"
        assert not set(key) & set(_GO_SPACE), "a name with white space"
        found[key] = value
    return found


def read_by_jq(path: Path) -> dict[str, str]:
    """Jq where there is one: each name and value, as jq prints them. And Python's own parser."""
    parsed: dict[str, str] = json.loads(path.read_bytes())
    if jq := shutil.which("jq"):
        done = subprocess.run(
            [jq, "-c", "to_entries[] | [.key, .value]", str(path)],
            capture_output=True,
            check=True,
            timeout=60,
        )
        pairs = [json.loads(line) for line in done.stdout.splitlines()]
        assert dict(pairs) == parsed
    return parsed


READERS: Mapping[str, Callable[[Path], dict[str, str]]] = {
    "shell": read_by_bash,
    "dotenv": read_by_dotenv,
    "docker": read_by_docker,
    "json": read_by_jq,
}
