"""Settings from the environment: variables, the files that they name, and what is refused."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config import MASTER_KEY_SOURCES, PREFIX, Settings
from models.errors import ConfigurationError

_MINIMUM_SIGNING_KEY_BYTES = 32


def load(environ: Mapping[str, str]) -> Settings:
    """Settings from their defaults and the environment. Raises ConfigurationError."""
    given: dict[str, Any] = {}
    for name in Settings.model_fields:
        if (value := _from_environment(environ, name)) is not None:
            given[name] = value
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise ConfigurationError(f"{PREFIX}{first['loc'][0]}: {reason}.") from None
    _require_one_source(settings, [name for name in MASTER_KEY_SOURCES if name in given])
    _refuse_weak(settings)
    return settings


def refuse_debug_mode(environ: Mapping[str, str]) -> None:
    """Flask's debug mode puts a console beside the API: whoever knows its PIN runs code in the
    process that holds all keys. Raises ConfigurationError."""
    if environ.get("FLASK_DEBUG", "").lower() not in {"", "0", "false", "no"}:
        raise ConfigurationError(
            "Flask's debug mode (FLASK_DEBUG, or flask run --debug) lets callers run code here. "
            "Turn it off."
        )


def misspelt(environ: Mapping[str, str]) -> list[str]:
    """One warning per ``SECRETS_…`` variable that no setting reads."""
    known = {PREFIX + name + suffix for name in Settings.model_fields for suffix in ("", "_FILE")}
    warnings = []
    for name in sorted(set(environ) - known):
        if name.startswith(PREFIX):
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            warnings.append(f"{name} is not a setting and has no effect.{hint}")
    return warnings


def _from_environment(environ: Mapping[str, str], name: str) -> str | None:
    direct, path = environ.get(PREFIX + name), environ.get(f"{PREFIX}{name}_FILE")
    if path is None:
        return direct
    if direct is not None:
        raise ConfigurationError(f"Set either {PREFIX}{name} or {PREFIX}{name}_FILE, not both.")
    try:
        # The newline at the end belongs to the file, not to the value.
        value = Path(path).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{PREFIX}{name}_FILE: {path} cannot be read as a text file."
        ) from error
    if not value.strip():
        # Mounted empty, or not mounted yet: the default would be a key or database of our own.
        raise ConfigurationError(f"{PREFIX}{name}_FILE: {path} is empty.")
    return value


def _require_one_source(settings: Settings, given: Sequence[str]) -> None:
    """Set to nothing is not the same as not set: a master key of our own would be made. And of two,
    which of them wraps would be anybody's guess."""
    for name in given:
        if not getattr(settings, name):
            raise ConfigurationError(f"{PREFIX}{name}: is empty. Unset it, or fill it in.")
    if len(given) > 1:
        raise ConfigurationError(f"Set only one of {', '.join(PREFIX + one for one in given)}.")


def _refuse_weak(settings: Settings) -> None:
    """PyJWT only warns about a short key (RFC 7518 section 3.2 asks for 256 bits). The token of
    the metrics must be sendable in a header too."""
    signing = settings.JWT_SECRET_KEY
    if signing and len(signing.encode()) < _MINIMUM_SIGNING_KEY_BYTES:
        least = f"must have at least {_MINIMUM_SIGNING_KEY_BYTES} bytes"
        raise ConfigurationError(f"{PREFIX}JWT_SECRET_KEY: {least}.")
    if settings.METRICS_TOKEN and not re.fullmatch(r"[!-~]{32,}", settings.METRICS_TOKEN):
        raise ConfigurationError(
            f"{PREFIX}METRICS_TOKEN: must have at least 32 characters, ASCII without blanks."
        )
    if settings.SESSION_IDLE_LIFETIME > settings.SESSION_LIFETIME:
        too_long = "must not be longer than SESSION_LIFETIME"
        raise ConfigurationError(f"{PREFIX}SESSION_IDLE_LIFETIME: {too_long}.")
