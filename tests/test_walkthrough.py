"""The walkthrough is a script that users run: where it takes place, and what it leaves alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests

from tests.support.ports import free_port
from tests.support.server import Server
from tests.support.walkthrough import Stranger, serving, walk


def test_without_any_server_the_walkthrough_starts_its_own(tmp_path: Path) -> None:
    """A fresh clone and nothing running: it walks to the end on a server that is gone after it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    done = walk(tmp_path, FLASK_RUN_PORT=str(free_port()), TMPDIR=str(folder))
    assert done.returncode == 0, done.stderr
    assert "starting a server of its own" in done.stdout
    assert done.stdout.endswith("Every answer was right.\n")
    assert list(folder.iterdir()) == []
    url = re.findall(r"^Walking through (\S+)\.$", done.stdout, re.MULTILINE)[0]
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_a_server_of_its_own_never_touches_the_database_of_whoever_runs_it(tmp_path: Path) -> None:
    """The settings in the environment may name a database in use; its own server ignores them."""
    precious = tmp_path / "precious.db"
    done = walk(
        tmp_path,
        FLASK_RUN_PORT=str(free_port()),
        SECRETS_DATABASE_URL=f"sqlite:///{precious}",
        SECRETS_REGISTRATION="closed",
    )
    assert done.returncode == 0, done.stderr
    assert not precious.exists()


def test_the_walkthrough_can_be_repeated_on_the_same_server(server: Server, tmp_path: Path) -> None:
    """It uses new names each time, so a second walk finds nothing of the first in its way."""
    for _ in range(2):
        done = walk(tmp_path, BASE_URL=server.url + "/")
        assert done.returncode == 0, done.stderr
        assert "of its own" not in done.stdout


def test_the_walkthrough_finds_a_running_server_by_itself(server: Server, tmp_path: Path) -> None:
    """Without BASE_URL it looks where ``flask run`` listens."""
    done = walk(tmp_path, FLASK_RUN_PORT=str(server.port))
    assert done.returncode == 0, done.stderr
    assert f"Walking through http://localhost:{server.port}." in done.stdout


def test_a_base_url_where_nothing_answers_is_an_error(tmp_path: Path) -> None:
    """Whoever names a server wants that one: no other is started in its place."""
    url = f"http://127.0.0.1:{free_port()}"
    done = walk(tmp_path, BASE_URL=url)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"Nothing answers at {url} ")
    assert done.stderr.count("\n") == 1


def test_another_service_at_the_base_url_is_an_error(tmp_path: Path) -> None:
    """Something else listens on that port: it gets no password to see."""
    with serving(Stranger) as url:
        done = walk(tmp_path, BASE_URL=url)
    assert done.returncode == 1
    assert done.stderr.startswith(f"What answers at {url} is not this service.")
