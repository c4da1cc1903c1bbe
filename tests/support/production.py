"""The production server as a real process, over plain HTTP or TLS."""

from __future__ import annotations

import datetime
import ipaddress
import os
import signal
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.server import ROOT, Server

_VALID = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """Files of a certificate for localhost and 127.0.0.1, and of the authority that made it."""

    authority: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """A client's settings: it verifies, and trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.authority))


@dataclass
class ProductionServer(Server):
    """What ``make serve`` runs, over a folder of its own; TLS if it is given a certificate."""

    certificate: Certificate | None = None
    workers: int = 1
    drain: float = 1.0  # seconds; nobody here keeps a connection that others wait for

    @property
    def url(self) -> str:
        """Where it listens."""
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    def start(self) -> ProductionServer:
        """Start the process, without waiting until it answers."""
        tls = ["--plain-http"]
        if self.certificate is not None:
            tls = ["--certificate", str(self.certificate.certificate)]
            tls += ["--key", str(self.certificate.key)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(*self.prefix, sys.executable, "-m", "utils.serving"),
                    *("--port", str(self.port), "--workers", str(self.workers)),
                    *("--drain", str(self.drain), *tls),
                ],
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return self

    def kill(self) -> None:
        """``kill -9`` of all its processes: workers outlive the main one, and go on answering."""
        if self.process is not None:
            with suppress(ProcessLookupError):  # all had ended by themselves
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=60)
            self.process = None

    def answers(self) -> bool:
        """Whether the service is ready right now."""
        verify = True if self.certificate is None else str(self.certificate.authority)
        try:
            return requests.get(self.url + "/readyz", timeout=5, verify=verify).ok
        except (requests.ConnectionError, requests.Timeout):
            return False

    def reload(self) -> None:
        """SIGHUP, and wait until all workers are new. Raises RuntimeError if they are not."""
        assert self.process is not None
        seen = self.log.read_bytes().count(b"[INFO] All workers are new")
        self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 240
        while self.log.read_bytes().count(b"[INFO] All workers are new") == seen:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("the server did not reload")
            time.sleep(0.05)


def make_certificate(folder: Path) -> Certificate:
    """A throwaway authority, and a certificate of it whose key is in PKCS #8."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        _builder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
            authority_name,
            key.public_key(),
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    made = Certificate(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    made.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _VALID)
        .not_valid_after(now + _VALID)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
