"""A real nginx in front of the service, with the very file that is documented: deploy/nginx.conf.

Only what differs on a user's machine is replaced in it: ports, paths, and the name. It runs as
whoever runs the tests, in a folder of its own. ``python -m tests.support.nginx`` says where it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port
from tests.support.production import Certificate, ProductionServer
from tests.support.server import ROOT, Server

DOCUMENTED = ROOT / "deploy" / "nginx.conf"
BEHIND = {"SECRETS_TRUSTED_PROXIES": "127.0.0.1"}  # what its first lines say
_PATIENCE_SECONDS = 60
_AROUND = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/secrets-manager.conf;
}}
"""


class NginxMissing(Exception):
    """No nginx here."""


def find_nginx() -> str:
    """The program; Debian keeps it from the PATH of users. Raises NginxMissing."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if found is None:
        raise NginxMissing(
            "The service is tested behind a real nginx. Debian: apt-get install nginx-light."
        )
    return found


@dataclass
class Front:
    """What a client sees: nginx's port, over TLS; and the service behind it."""

    port: int
    certificate: Certificate
    server: Server
    folder: Path

    @property
    def url(self) -> str:
        """Where nginx listens."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def logs(self) -> str:
        """Everything nginx wrote."""
        return "".join(path.read_text("utf-8") for path in sorted(self.folder.glob("*.log")))


@contextmanager
def nginx(server: Server, certificate: Certificate, folder: Path) -> Iterator[Front]:
    """Nginx over *server*, which may come and go."""
    front = Front(free_port(), certificate, server, folder)
    folder.mkdir(mode=0o700)
    (folder / "secrets-manager.conf").write_text(_adapted(front))
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder))
    command = [find_nginx(), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(
            [*command, "-e", str(folder / "error.log")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (folder / "nginx.pid").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx did not start:\n{front.logs}")
            time.sleep(0.02)
        yield front
    finally:
        process.terminate()
        process.wait(_PATIENCE_SECONDS)


@contextmanager
def service_behind_nginx(
    folder: Path, certificate: Certificate, environ: dict[str, str] | None = None
) -> Iterator[Front]:
    """Both, as docs/operation.md has it."""
    server = ProductionServer(folder / "instance", {**BEHIND, **(environ or {})})
    with server, nginx(server, certificate, folder / "nginx") as front:
        yield front


def _adapted(front: Front) -> str:
    """The documented file for this machine. Each replacement must find what it replaces."""
    text = DOCUMENTED.read_text("utf-8")
    changes = {
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{front.server.port};",
        "listen 443 ssl;": f"listen 127.0.0.1:{front.port} ssl;",
        "    listen [::]:443 ssl;\n": "",
        "server_name secrets.example.net;": "server_name localhost;",
        "/etc/nginx/secrets-manager/cert.pem": str(front.certificate.certificate),
        "/etc/nginx/secrets-manager/key.pem": str(front.certificate.key),
        "/var/log/nginx/secrets-manager.log": str(front.folder / "access.log"),
    }
    for documented, here in changes.items():
        assert text.count(documented) == 1, documented
        text = text.replace(documented, here)
    return text


if __name__ == "__main__":
    try:
        print(find_nginx())
    except NginxMissing as missing:
        sys.exit(str(missing))
