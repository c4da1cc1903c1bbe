"""The server's TLS certificate, where it can be known which that is: until when it is good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from config import Settings
from models.findings import Finding, danger, ok, warn
from models.times import rfc3339
from utils.doctor.files import begins, is_private_key, stored_files

_SOON = timedelta(days=14)
_RENEW = "Renew it, and restart the server."


def examine_certificates(
    settings: Settings, tls: Sequence[Path], now: datetime
) -> Iterator[Finding]:
    """Those that are named, and in the instance folder."""
    found = [path for path in tls if not is_private_key(path)]
    if settings.INSTANCE_DIR.is_dir():
        stored = stored_files(settings)
        found += [
            path
            for path in sorted(settings.INSTANCE_DIR.iterdir())
            if path.is_file() and path not in stored and b"BEGIN CERTIFICATE-----" in begins(path)
        ]
    for path in dict.fromkeys(found):
        yield certificate(path, now)


def certificate(path: Path, now: datetime) -> Finding:
    """The first of a file is the server's own."""
    try:
        until = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        what = f"{path} cannot be read as a certificate."
        return danger("tls-certificate", what, "Put the right file there.")
    what = f"{path} is good until {rfc3339(until)}."
    if until <= now:
        return danger("tls-certificate", what, _RENEW)
    if until <= now + _SOON:
        return warn("tls-certificate", what, _RENEW)
    return ok("tls-certificate", what)
