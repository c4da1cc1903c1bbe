"""What may come in about export and import; the rest is in requests.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from models import names, shapes
from models.dotenv import assignments
from models.errors import BodyTooLarge, FieldProblem, InvalidFields, MalformedRequest
from models.export_formats import Format
from models.powers import visible_prefixes
from models.requests import MAX_VALUE_BYTES, LabelFilter, NamePrefix, Query, Request
from models.rows import ImportEntry, OnConflict, SecretQuery, Value

MAX_ENTRIES = 1_000
_SHOWN_PROBLEMS = 20  # of a file that is no file of variables, every line is one
_NOT_AN_ASSIGNMENT = "must be NAME=value; or a quote is not closed"


class ExportSecrets(Query):
    """``GET /secrets:export``."""

    prefix: NamePrefix = ""
    label: LabelFilter | None = None
    format: Format = "json"

    def query(self, within: tuple[str, ...]) -> SecretQuery:
        """The same, as the data layer takes it, for a caller limited to prefixes *within*."""
        key, _, value = (self.label or "").partition(":")
        return SecretQuery(
            prefixes=visible_prefixes(within, self.prefix),
            label=(key, value) if self.label is not None else None,
        )


def _new_prefix(text: str) -> str:
    if text and names.parse_secret_name(text + "x") is None:
        raise PydanticCustomError("prefix", "must be the beginning of a secret's name")
    return text


class ImportSecrets(Query):
    """``POST /secrets:import``."""

    prefix: Annotated[str, AfterValidator(_new_prefix), shapes.NEW_PREFIX] = ""
    on_conflict: OnConflict = "fail"
    dry_run: Literal["true", "false"] = "false"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What a file says of one name, and where: "line 12", and the same for programs."""

    where: str
    pointer: str
    key: str
    text: str = field(repr=False)

    def problem(self, what: str) -> FieldProblem:
        """Something about this entry; it names the place, never what is there."""
        return FieldProblem(self.pointer, f"{self.where}: {what}")


class ImportFile(Request):
    """What an import's body says, whichever format it came in."""

    found: tuple[FileEntry, ...] = Field(repr=False)

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: Any, _handler: Any) -> dict[str, Any]:
        """What is sent as JSON: names and values."""
        return {
            "type": "object",
            "title": cls.__name__,
            "description": "Values by name.",
            "propertyNames": shapes.SECRET_NAME.json_schema,
            "additionalProperties": {"type": "string", "maxLength": MAX_VALUE_BYTES},
            "maxProperties": MAX_ENTRIES,
            "examples": [{"db/password": "hunter2"}],
        }

    def entries(self, prefix: str) -> list[ImportEntry]:
        """The secrets to be. Raises InvalidFields or BodyTooLarge."""
        if len(self.found) > MAX_ENTRIES:
            raise InvalidFields([FieldProblem("#", f"must have at most {MAX_ENTRIES} entries")])
        entries, problems = [], []
        for entry in self.found:
            data = entry.text.encode()
            if len(data) > MAX_VALUE_BYTES:
                raise BodyTooLarge(
                    f"A secret's value is at most {MAX_VALUE_BYTES} bytes; see {entry.where}."
                )
            if (name := names.parse_secret_name(prefix + entry.key)) is None:
                problems.append(
                    entry.problem(f"the name, with the prefix, must be {names.NAME_RULE}")
                )
            else:
                entries.append(ImportEntry(name, Value(data, "text")))
        _refuse(problems)
        return entries

    @classmethod
    def fields_of_dotenv(cls, data: bytes) -> dict[str, Any]:
        """The fields for a file of ``NAME=value``. Of a name that comes twice, the last one counts,
        as in a shell. Raises MalformedRequest or InvalidFields."""
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise MalformedRequest("The file must be text in UTF-8.") from error
        found: dict[str, FileEntry] = {}
        problems = []
        for one in assignments(text):
            pointer = (
                f"#line={one.line - 1},{one.line}"  # RFC 5147: what is between two ends of lines
            )
            entry = FileEntry(f"line {one.line}", pointer, one.key or "", one.value)
            if one.key is None:
                problems.append(entry.problem(_NOT_AN_ASSIGNMENT))
            found[entry.key] = entry
            if len(problems) >= _SHOWN_PROBLEMS:
                break
        _refuse(problems)
        return {"found": tuple(found.values())}

    @classmethod
    def fields_of_json(cls, parsed: Any) -> dict[str, Any]:
        """The fields for an object of texts. Raises InvalidFields."""
        if not isinstance(parsed, dict):
            raise InvalidFields([FieldProblem("#", "must be a JSON object")])
        found, problems = [], []
        for number, (key, text) in enumerate(parsed.items(), start=1):
            is_text = isinstance(text, str)
            found.append(FileEntry(f"entry {number}", "#", key, text if is_text else ""))
            if not is_text:
                problems.append(found[-1].problem("the value must be a string"))
        _refuse(problems)
        return {"found": tuple(found)}


def _refuse(problems: Iterable[FieldProblem]) -> None:
    if shown := list(problems)[:_SHOWN_PROBLEMS]:
        raise InvalidFields(shown)
