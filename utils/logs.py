"""What the service logs, and how: one line an event, on stderr, with nothing secret in it.

Each kind of line is an :class:`Event`, and docs/logs.md lists them all. A line is JSON, or on a
terminal text for people. Whatever a value holds, it cannot end its line: control characters are
escaped in both forms.

Messages of exceptions, and what other libraries fill into theirs, may quote values that callers
sent, or a database URL. So an exception is told by its type and its frames, and a library's line
by its template.
"""

from __future__ import annotations

import json
import logging
import logging.config
import re
import sys
import threading
import traceback
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from models.errors import SecretsManagerError
from models.times import rfc3339

LogFormat = Literal["auto", "json", "text"]
logger = logging.getLogger("secrets_manager")

_HOME = str(Path(__file__).resolve().parents[1]) + "/"
# A write of at most 4096 bytes to a pipe is whole (PIPE_BUF of Linux): workers that share one never
# mix their lines. As written, with its escapes; the other fields need 300 at most.
_LONGEST = {"traceback": 2800, "message": 900}
_FRAMES = 10
_PLAIN = re.compile(r"[\w./:<>@+=,-]+", re.ASCII)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of line: its name, its level, and all fields that it may have."""

    name: str
    level: int
    fields: tuple[str, ...]


REQUEST = Event(
    "request",
    logging.INFO,
    (
        *("request_id", "method", "route", "status", "ms", "problem"),
        *("principal", "account", "token", "client"),
    ),
)
ERROR = Event("error", logging.ERROR, ("request_id", "method", "route", "problem", "traceback"))
CRASH = Event("crash", logging.ERROR, ("message", "traceback"))
NOTICE = Event("notice", logging.WARNING, ("message",))
LIBRARY = Event("library", logging.INFO, ("logger", "message", "traceback"))
EVENTS = (REQUEST, ERROR, CRASH, NOTICE, LIBRARY)


@dataclass(frozen=True, slots=True)
class Line:
    """An event that happened. As text it is the line for people, without its time and level."""

    event: Event
    fields: dict[str, object]

    def __str__(self) -> str:
        shown = [self.event.name]
        shown += [f"{name}={_quoted(value)}" for name, value in self.fields.items()]
        return " ".join(shown)


def line(event: Event, **fields: object) -> Line:
    """An event with its fields, in their order; without those that are None.

    A field that the event does not have is a mistake of ours, and raises KeyError."""
    if unknown := set(fields) - set(event.fields):
        raise KeyError(f"{event.name} has no {unknown}")
    kept = {name: fields[name] for name in event.fields if fields.get(name) is not None}
    return Line(event, {name: _clipped(name, value) for name, value in kept.items()})


def log(event: Event, **fields: object) -> None:
    """Log one line."""
    if logger.isEnabledFor(event.level):
        logger.log(event.level, line(event, **fields))


def configure(form: LogFormat = "auto", level: str = "info") -> None:
    """Log to stderr, from now on, and nowhere else.

    A program that has already set logging up, as a test runner does, is left alone.
    """
    handlers = logging.getLogger().handlers
    if any(not isinstance(handler.formatter, _Formatter) for handler in handlers):
        return
    _gather_less()
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"()": JsonFormatter if as_json else TextFormatter}},
            "filters": {"requests": {"()": lambda: _is_no_access_line}},
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "stream": "ext://sys.stderr",
                    "formatter": "line",
                    "filters": ["requests"],
                }
            },
            # At any LOG_LEVEL: what libraries tell below this quotes values.
            "root": {"level": "WARNING", "handlers": ["stderr"]},
            "loggers": {
                "secrets_manager": {"level": level.upper()},
                # Heads of the audit trail at any level: without them a truncation does not show.
                "secrets_manager.audit": {"level": "INFO"},
                "werkzeug": {"level": "INFO" if level == "info" else "WARNING"},
                # In a worker of granian's, whose own way is stdout. Its level is its option.
                "_granian": {"handlers": [], "propagate": True},
            },
        }
    )
    _take_over_what_nobody_caught()


def _gather_less() -> None:
    """Who called, in which thread and process: no line of ours says so, so it need not be found out
    for each (Logging HOWTO, "Optimization")."""
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    setattr(logging, "logAsyncioTasks", False)  # noqa: B010 - Python 3.10 has no such variable


def describe(error: BaseException) -> str:
    """Types and frames of the whole chain, without messages: those may quote what was sent."""
    lines: list[str] = []
    seen: set[int] = set()  # two exceptions can be each other's cause
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        lines.append(f"{type(link).__module__}.{type(link).__qualname__}{_own_words(link)}")
        frames = traceback.extract_tb(link.__traceback__)
        lines.extend(
            f"  {_short(frame.filename)}:{frame.lineno} in {frame.name}"
            for frame in frames[-_FRAMES:]
        )
        link = link.__cause__ or link.__context__
    return "\n".join(lines)


def _own_words(error: BaseException) -> str:
    """What an error of ours says, which never quotes what was sent: the operator needs it."""
    if not isinstance(error, SecretsManagerError):
        return ""
    why = getattr(error, "why", "")
    return f": {error} {why}".rstrip()


def _short(filename: str) -> str:
    """A file as a reader of the source knows it: within the project, or within a library."""
    return filename.rpartition("/site-packages/")[2].removeprefix(_HOME)


class _Formatter(logging.Formatter):
    """Makes one line of any record, also of those that other libraries log."""

    def format(self, record: logging.LogRecord) -> str:
        made = _line_of(record)
        moment = rfc3339(datetime.fromtimestamp(record.created, timezone.utc))
        return self.written(moment, record.levelname.lower(), made)

    def written(self, moment: str, level: str, made: Line) -> str:
        """The line, without its end."""
        raise NotImplementedError


class JsonFormatter(_Formatter):
    """An object a line."""

    def written(self, moment: str, level: str, made: Line) -> str:
        """In ASCII: no terminal, and no program that splits lines in its own way, is misled."""
        facts = {"time": moment, "level": level, "event": made.event.name, **made.fields}
        return _escaped(facts)


class TextFormatter(_Formatter):
    """For people. A traceback takes more lines, which are indented, as no line of its own is."""

    def written(self, moment: str, level: str, made: Line) -> str:
        """Time, level, event, ``field=value``."""
        fields = dict(made.fields)
        frames = str(fields.pop("traceback", "")).splitlines()
        first = f"{moment} {level.upper():7} {Line(made.event, fields)}"
        return "\n".join([first, *(f"    {_escaped(frame)[1:-1]}" for frame in frames)])


def _line_of(record: logging.LogRecord) -> Line:
    if isinstance(record.msg, Line):
        return record.msg
    if record.name == logger.name or record.name.startswith(logger.name + "."):
        return line(NOTICE, message=record.getMessage())
    error = record.exc_info[1] if record.exc_info else sys.exc_info()[1]
    template = _COLOUR.sub("", str(record.msg)).strip()
    if record.levelno >= logging.WARNING:  # below its first line is what it quotes
        template = template.partition("\n")[0]
    return line(
        LIBRARY,
        logger=record.name,
        message=template,
        traceback=describe(error) if error else None,
    )


def _is_no_access_line(record: logging.LogRecord) -> bool:
    """Werkzeug logs each request with its path and query string; we have a line of our own."""
    return not (record.name == "werkzeug" and record.levelno <= logging.INFO and record.args)


def _clipped(name: str, value: object) -> object:
    if isinstance(value, str) and name in _LONGEST:
        while len(_escaped(value)) > _LONGEST[name]:
            value = value[: len(value) * 3 // 4]
    return value


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if _PLAIN.fullmatch(text) else _escaped(text)


def _escaped(value: Any) -> str:
    """JSON in ASCII, and DEL, the one control character that json leaves as it is."""
    return json.dumps(value).replace("\x7f", "\\u007f")


def _take_over_what_nobody_caught() -> None:
    """Python prints it with its message, in many lines. A hook that somebody else has set stays."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _uncaught_in_thread
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _unraisable


def _uncaught(
    kind: type[BaseException], error: BaseException, frames: TracebackType | None
) -> None:
    if not isinstance(error, Exception):  # Ctrl-C
        sys.__excepthook__(kind, error, frames)
        return
    log(CRASH, message="The program ends.", traceback=describe(error))


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if isinstance(found.exc_value, Exception):
        log(CRASH, message="A thread ended.", traceback=describe(found.exc_value))


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    if found.exc_value is not None:
        log(CRASH, message="Ignored.", traceback=describe(found.exc_value))
