"""The real age program (age-encryption.org), with which an operator keeps master keys sealed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_HINT = "needs the programs age and age-keygen. Debian and Ubuntu: apt-get install age"


def seal(folder: Path, text: str) -> tuple[Path, Path]:
    """Encrypt *text* for an identity that is made for it: the identity's file, and the text's."""
    age, keygen = _program("age"), _program("age-keygen")
    identity, sealed = folder / "identity.txt", folder / "master.keys.age"
    made = subprocess.run([keygen, "--output", identity], check=True, capture_output=True)
    recipient = made.stderr.decode().strip().removeprefix("Public key: ")
    subprocess.run(
        [age, "--encrypt", "--recipient", recipient, "--output", sealed],
        input=text.encode(),
        check=True,
    )
    return identity, sealed


def _program(name: str) -> str:
    """Where it is. Without it the tests of a change must not pass; on a laptop they may go on."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"This test {_HINT}.")
    if found is None:
        pytest.skip(_HINT)
    return found
