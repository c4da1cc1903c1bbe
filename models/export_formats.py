"""Secrets as the text of a file, exact for the parser that the format is named after.

What a parser would not give back to the byte is refused, and the refusal names the secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Literal

from models.environment import is_of_the_shell, variable_name
from models.errors import FieldProblem, NotExportable
from models.rows import Secret

Format = Literal["shell", "dotenv", "docker", "json"]
# Docker reads lines with Go's bufio.Scanner: 64 KiB, the newline included.
_DOCKER_LINE_BYTES = 65_535
# In front, because old versions of bash take a file for a program if its first line looks binary.
_HEADINGS = {"shell": "# For bash: set -a; . FILE; set +a\n", "dotenv": "", "docker": ""}


def render(form: Format, secrets: Sequence[Secret], prefix: str) -> str:
    """The file. Raises NotExportable, with each secret that the format cannot carry."""
    if form == "json":
        return _json(secrets)
    problems = [problem for secret in secrets for problem in _obstacles(form, secret, prefix)]
    problems += _collisions(secrets, prefix)
    if problems:
        raise NotExportable(problems)
    quote = _QUOTES[form]
    return _HEADINGS[form] + "".join(
        f"{variable_name(secret.info.name, prefix)}={quote(secret.value.data.decode())}\n"
        for secret in secrets
    )


def _json(secrets: Sequence[Secret]) -> str:
    """One object: the secrets' own names, whole, so that an import gives the same secrets again."""
    if problems := [_problem(secret, _NOT_TEXT) for secret in secrets if not _is_text(secret)]:
        raise NotExportable(problems)
    values = {secret.info.name: secret.value.data.decode() for secret in secrets}
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"


_NOT_TEXT = "is bytes that are not UTF-8; read it by itself, as application/octet-stream"


def _obstacles(form: Format, secret: Secret, prefix: str) -> list[FieldProblem]:
    """Why this secret cannot be a variable in a file of this format; mostly nothing."""
    if not _is_text(secret):
        return [_problem(secret, _NOT_TEXT)]
    found, data = [], secret.value.data
    variable = variable_name(secret.info.name, prefix)
    if is_of_the_shell(variable):
        found.append(f"would set {variable}, which steers the shell or the loader; move the secret")
    if b"\0" in data:
        found.append("holds NUL, which no environment variable can")
    if form == "docker":
        if b"\n" in data or b"\r" in data:
            found.append("has more than one line, and Docker's files have one for each variable")
        if len(variable) + 1 + len(data) > _DOCKER_LINE_BYTES:
            found.append(f"makes a line of more than {_DOCKER_LINE_BYTES} bytes, Docker's limit")
    return [_problem(secret, why) for why in found]


def _collisions(secrets: Sequence[Secret], prefix: str) -> list[FieldProblem]:
    """Secrets that would become the same variable: one of them would be lost without a word."""
    first: dict[str, Secret] = {}
    problems = []
    for secret in secrets:
        variable = variable_name(secret.info.name, prefix)
        other = first.setdefault(variable, secret)
        if other is not secret:
            problems.append(
                _problem(secret, f"becomes the variable {variable}, as {other.info.name} does")
            )
    return problems


def _problem(secret: Secret, why: str) -> FieldProblem:
    return FieldProblem(f"/secrets/{secret.info.name}", why, secret.info.name)


def _is_text(secret: Secret) -> bool:
    """Also what came in as bytes: a certificate from ``curl -T`` is text for whoever reads it."""
    try:
        secret.value.data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _for_shell(text: str) -> str:
    """Within single quotes nothing has a meaning but the single quote (POSIX, 2.2.2)."""
    return "'" + text.replace("'", "'\\''") + "'"


def _for_dotenv(text: str) -> str:
    """As python-dotenv reads it, interpolation included.

    It reads files with universal newlines, so a carriage return has to be an escape, which only
    double quotes know. It then replaces ``${NAME}`` in every value, whatever the quotes: the
    variable without a name, which cannot be set, has a dollar sign for its default. Versions up
    to 1.2.2 take a backslash and the closing quote for an escaped quote, even if that backslash is
    escaped itself: so a backslash at the end is the default of such a variable too.
    """
    quote = '"' if "'" in text or "\r" in text else "'"
    escaped = text.replace("\\", "\\\\").replace("${", "${:-$}{")
    if quote == '"':
        escaped = escaped.replace('"', '\\"').replace("\r", "\\r")
    if text.endswith("\\"):
        escaped = escaped[:-2] + "${:-\\\\}"
    return quote + escaped + quote


def _for_docker(text: str) -> str:
    """Nothing is quoted, nothing is trimmed: all after the first ``=`` is the value."""
    return text


_QUOTES: dict[str, Callable[[str], str]] = {
    "shell": _for_shell,
    "dotenv": _for_dotenv,
    "docker": _for_docker,
}
