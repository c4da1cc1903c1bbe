"""``make serve``: what it says instead of starting, and that it stops and reloads in peace."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from granian.constants import Interfaces

from tests.support.people import PASSWORD
from tests.support.ports import free_port
from tests.support.production import Certificate, ProductionServer, make_certificate
from tests.support.server import ROOT
from tests.support.target import Target, granian, under_attack
from tests.support.terminal import wait_until
from tests.support.wire import exchange, head
from utils import serving_main, serving_worker

PLAIN = {"SECRETS_ALLOW_PLAIN_HTTP": "true"}
_LONG = 30.0  # seconds that nobody waits for a client that is gone


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Of an authority that nobody but these tests trusts."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One worker, and alice has an account."""
    with under_attack(granian(tmp_path_factory.mktemp("target")), "") as attacked:
        yield attacked


def serve(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command where it must not start."""
    return subprocess.run(
        [sys.executable, "-m", "utils.serving", "--port", str(free_port()), *arguments],
        cwd=ROOT,
        env={**os.environ, "SECRETS_INSTANCE_DIR": str(folder / "instance"), **environ},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def workers_of(server: ProductionServer) -> list[int]:
    """The processes that serve now."""
    assert server.process is not None
    main = server.process.pid
    return [int(pid) for pid in Path(f"/proc/{main}/task/{main}/children").read_text().split()]


def both_serve(server: ProductionServer) -> bool:
    """Whether both workers were ready at some time."""
    return server.log.read_text("utf-8").count("Started worker") == 2


# --- instead of a start ------------------------------------------------------------------------


def test_without_a_certificate_one_line_says_what_to_do(tmp_path: Path) -> None:
    """And nothing was made in the meantime."""
    done = serve(tmp_path, "--certificate", str(tmp_path / "none.pem"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"Not started: --certificate {tmp_path}/none.pem cannot be read.")
    assert "make serve CERTIFICATE=" in done.stderr
    assert "--plain-http" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_key_in_another_format_is_told_the_command_that_converts_it(
    certificate: Certificate, tmp_path: Path
) -> None:
    """The command in the message makes a key that is taken."""
    old, new = tmp_path / "old.pem", tmp_path / "new-key.pem"
    made = ["openssl", "pkey", "-traditional", "-in", str(certificate.key), "-out", str(old)]
    subprocess.run(made, check=True)
    arguments = ("--certificate", str(certificate.certificate), "--key")
    done = serve(tmp_path, *arguments, str(old))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    command = done.stderr.strip().partition("To make it one: ")[2].split()
    subprocess.run(command, check=True, cwd=tmp_path)
    assert b"BEGIN PRIVATE KEY" in new.read_bytes()
    assert subprocess.run(["openssl", "pkey", "-in", new, "-check"], check=False).returncode == 0


def test_a_key_of_another_certificate_is_noticed(certificate: Certificate, tmp_path: Path) -> None:
    """At the start, not at the first client."""
    other = make_certificate(tmp_path)
    done = serve(tmp_path, "--certificate", str(certificate.certificate), "--key", str(other.key))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "or not one for the key" in done.stderr


def test_a_setting_that_must_not_start_ends_it_at_once(tmp_path: Path) -> None:
    """One worker says why; there is no loop of new ones."""
    done = serve(tmp_path, "--plain-http", SECRETS_BCRYPT_COST="99")
    assert done.returncode == 2
    assert done.stderr.count("SECRETS_BCRYPT_COST") == 1
    assert done.stderr.endswith(
        "Not started: the application did not start; what it said is above.\n"
    )


def test_debug_mode_is_refused_here_too(tmp_path: Path) -> None:
    """It would let callers run code."""
    done = serve(tmp_path, "--plain-http", FLASK_DEBUG="1")
    assert done.returncode == 2
    assert "Flask's debug mode" in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """Instead of a traceback."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        done = serve(tmp_path, "--plain-http", "--port", str(port))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"Not started: 127.0.0.1 port {port}: ")


# --- the end of a request, a worker, a server --------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"hello"])
@pytest.mark.parametrize("body", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_an_answer_before_the_body_ends_the_connection_and_says_so(
    target: Target, body: str, sent: bytes
) -> None:
    """What is still to come could not be told from the next request. The server below says so by
    itself where nothing has come yet; where the rest comes just then it closed without a word, and
    a client that keeps connections lost its next request."""
    port = target.server.port
    reply = exchange(port, head("PUT", "/secrets/a", port, body) + sent)
    assert (reply.status, reply.headers["Connection"]) == (401, "close")


def test_an_answer_after_the_body_keeps_it(target: Target) -> None:
    """Also one that refuses what was in it."""
    for sent, status in ((b'{"secret": "x"}', 200), (b"{}", 422), (b"{", 400)):
        reply = target.post_json("PUT", "/secrets/a", sent)
        assert (reply.status, reply.headers["Connection"]) == (status, None)


def test_an_answer_does_not_wait_for_the_client() -> None:
    """Its body is sent before the client has confirmed its head, which clients on a kept connection
    put off for 40 ms. Of the option, not of the time: whether there is a wait is chance."""
    server = serving_main.MainProcess("app:create_app", port=free_port(), interface=Interfaces.WSGI)
    server._init_shared_socket()
    shared = server._sso
    assert shared is not None
    with shared:
        shared.listen()
        with socket.create_connection(shared.getsockname()):
            taken, _ = shared.accept()
            with taken:
                assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


class _Vanishing(socket.socket):
    """A connection that the server closes while its worker looks at it."""

    def getpeername(self) -> object:
        """The last thing that can be asked of it."""
        found = super().getpeername()
        self.close()
        return found


def test_a_connection_that_ends_while_it_is_looked_at_is_nobodys() -> None:
    """The thread that answers the main process must not end with it: each stop would then take two
    minutes, and end with a kill."""
    with socket.create_server(("127.0.0.1", 0)) as server, _Vanishing() as client:
        client.connect(server.getsockname())
        port = client.getsockname()[1]
        assert not serving_worker._is_of_a_client(client, port)
        assert not serving_worker._is_listening(client)
        assert serving_worker._is_listening(server)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_request_that_had_begun_is_answered(tmp_path: Path, how: signal.Signals) -> None:
    """Half of its body was sent when the signal came, the rest comes much later. The answer ends
    the connection, so that the client knows where it stands."""
    server = ProductionServer(tmp_path / "instance", PLAIN, drain=_LONG)
    body = b'{"username": "alice", "password": "%s"}' % PASSWORD.encode()
    start = head("POST", "/register", server.port, f"Content-Length: {len(body)}")
    start = start.replace(b"\r\n\r\n", b"\r\nContent-Type: application/json\r\n\r\n")
    with server, socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(start + body[:10])
        wait_until(lambda: "Started worker" in server.log.read_text())
        time.sleep(0.2)  # until it has been read
        assert server.process is not None
        server.process.send_signal(how)
        wait_until(lambda: "Letting go" in server.log.read_text())
        client.sendall(body[10:])
        response = http.client.HTTPResponse(client)
        response.begin()
        assert (response.status, response.getheader("Connection")) == (201, "close")
        response.read()
        assert client.recv(1) == b""
        if how != signal.SIGHUP:
            assert server.process.wait(20) == 0  # nobody is connected: no reason to wait longer
            server.process = None


def test_a_reload_replaces_every_worker_and_keeps_the_main_process(tmp_path: Path) -> None:
    """With new certificates and settings from files, and for a client that stays away, one by
    one: somebody answers at any time."""
    (tmp_path / "registration").write_text("open")
    environ = {**PLAIN, "SECRETS_REGISTRATION_FILE": str(tmp_path / "registration")}
    with ProductionServer(tmp_path / "instance", environ, workers=2) as server:
        assert isinstance(server, ProductionServer)
        wait_until(lambda: both_serve(server))
        before = set(workers_of(server))
        (tmp_path / "registration").write_text("closed")
        server.reload()
        assert len(workers_of(server)) == 2
        assert not before & set(workers_of(server))
        body = {"username": "alice", "password": PASSWORD}
        answer = requests.post(server.url + "/register", json=body, timeout=30)
        assert answer.json()["type"].endswith(":registration-closed")


@pytest.mark.parametrize("broken", ["level", "server.pem", "server.key"])
def test_a_reload_that_cannot_start_changes_nothing(tmp_path: Path, broken: str) -> None:
    """The operator broke a file; whoever is connected notices nothing."""
    (tmp_path / "level").write_text("info")
    environ = {"SECRETS_LOG_LEVEL_FILE": str(tmp_path / "level")}
    made = make_certificate(tmp_path)
    with ProductionServer(tmp_path / "instance", environ, certificate=made, workers=2) as server:
        assert isinstance(server, ProductionServer)
        wait_until(lambda: both_serve(server))
        before = workers_of(server)
        (tmp_path / broken).write_text("nonsense")
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "What runs stays as it is" in server.log.read_text())
        assert "All workers are new" not in server.log.read_text()
        assert workers_of(server) == before
        assert server.answers()


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    """``kill -9`` of one of two; meanwhile the other answers."""
    with ProductionServer(tmp_path / "instance", PLAIN, workers=2) as server:
        assert isinstance(server, ProductionServer)
        wait_until(lambda: both_serve(server))
        before = workers_of(server)
        os.kill(before[0], signal.SIGKILL)
        assert server.answers()
        wait_until(lambda: "All workers are new" in server.log.read_text())
        assert before[0] not in workers_of(server)
        assert before[1] in workers_of(server)


def test_a_worker_that_died_is_replaced_also_if_that_fails_at_first(tmp_path: Path) -> None:
    """Its successor finds no master key, as it would no database that is away; then it is back."""
    with ProductionServer(tmp_path / "instance", PLAIN, workers=2) as server:
        assert isinstance(server, ProductionServer)
        wait_until(lambda: both_serve(server))
        before, key = workers_of(server), tmp_path / "instance" / "master.key"
        key.rename(tmp_path / "key")
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: "What runs stays as it is" in server.log.read_text())
        (tmp_path / "key").rename(key)
        wait_until(lambda: "All workers are new" in server.log.read_text())
        assert before[1] in workers_of(server)
        assert len(workers_of(server)) == 2
        assert server.answers()


def test_no_worker_outlives_the_main_process(tmp_path: Path) -> None:
    """Or the next start would find the port taken."""
    server = ProductionServer(tmp_path / "instance", PLAIN, workers=2)
    server.start().wait_until_ready()
    wait_until(lambda: both_serve(server))
    workers = workers_of(server)
    server.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers))
    with server:
        assert server.answers()


def test_a_server_that_is_stopped_while_it_starts_ends_soon(tmp_path: Path) -> None:
    """Granian's own workers do not hear of it, and it waits for them for ever."""
    server = ProductionServer(tmp_path / "instance", PLAIN, workers=4, drain=_LONG)
    server.start().wait_until_ready()  # the first of four
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 20
