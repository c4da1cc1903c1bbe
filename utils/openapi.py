"""Models as parts of an OpenAPI 3.1 document: schemas, parameters, examples. No I/O, no routes.

OpenAPI 3.1 takes JSON Schema 2020-12 as it is, which is what pydantic writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from utils.openapi_examples import BY_FIELD, BY_FORMAT, UNKNOWN

Schema = dict[str, Any]
_PLACE = "#/components/schemas/"
_BOUNDS = {"ge": "minimum", "le": "maximum"}


@dataclass(frozen=True, slots=True)
class Shapes:
    """The schemas of all models that travel, and how to refer to each."""

    components: dict[str, Schema]
    references: dict[type[BaseModel], Schema]

    @classmethod
    def of(
        cls, requests: Collection[type[BaseModel]], responses: Collection[type[BaseModel]]
    ) -> Shapes:
        """Those of *requests* end in ``Request``: many have the name of what they make."""
        asked, asked_schemas = models_json_schema(
            [(model, "validation") for model in requests],
            ref_template=_PLACE + "{model}Request",
            schema_generator=_Untitled,
        )
        told, told_schemas = models_json_schema(
            [(model, "serialization") for model in responses],
            ref_template=_PLACE + "{model}",
            schema_generator=_Untitled,
        )
        components = {
            **{f"{name}Request": schema for name, schema in _definitions(asked_schemas)},
            **dict(_definitions(told_schemas)),
        }
        references = {
            model: ref
            for (model, _), ref in {**asked, **told}.items()
            if issubclass(model, BaseModel)
        }
        return cls(components, references)

    def example(self, model: type[BaseModel]) -> Any:
        """What a body of this model may look like."""
        return self._example(self.references[model], "", "")

    def _example(self, schema: Schema, owner: str, field: str) -> Any:
        """Known by the field's name, said by the schema itself, or made of its parts."""
        if "$ref" in schema:
            owner = str(schema["$ref"]).removeprefix(_PLACE)
            return self._example(self.components[owner], owner, field)
        for key in (f"{owner}.{field}", field):
            if key in BY_FIELD:
                return BY_FIELD[key]
        if "properties" in schema and "examples" not in schema:
            parts = schema["properties"].items()
            return {name: self._example(part, owner, name) for name, part in parts}
        inner = schema.get("items") or schema.get("anyOf", [None])[0]
        if inner is not None:
            found = self._example(inner, owner, field)
            return [found] if "items" in schema else found
        return _simple(schema)


def _simple(schema: Schema) -> Any:
    """A value that has no parts."""
    for key in ("examples", "enum"):
        if key in schema:
            return schema[key][0]
    if "const" in schema:
        return schema["const"]
    by_type: Schema = {"integer": 1, "boolean": True, "object": {}}
    return BY_FORMAT.get(schema.get("format", "")) or by_type.get(schema.get("type", ""), UNKNOWN)


def query_parameters(model: type[BaseModel]) -> list[Schema]:
    """The fields of a query string, each a parameter."""
    whole = _tidy(model.model_json_schema(schema_generator=_Untitled))
    return [
        {
            "name": name,
            "in": "query",
            "required": name in whole.get("required", ()),
            "schema": _present(schema),
        }
        for name, schema in whole.get("properties", {}).items()
    ]


def _present(schema: Schema) -> Schema:
    """A parameter that is not there has no value; ``null`` is something only JSON can say."""
    found = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
    for part in schema.get("anyOf", ()):
        if part != {"type": "null"}:
            found |= part
    if schema.get("default") is not None:
        found["default"] = schema["default"]
    return found


def _definitions(schemas: Mapping[str, Any]) -> Iterator[tuple[str, Schema]]:
    for name, schema in schemas.get("$defs", {}).items():
        yield name, _tidy(schema)


class _Untitled(GenerateJsonSchema):
    """A field's title would be its name again."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - its place
        """Never."""
        return False


def _tidy(schema: Any) -> Any:
    """The same without what pydantic writes for Python: bounds in its own words where a function
    checks first, defaults of ``None`` that only mean "not there", and the markup of docstrings."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {_BOUNDS.get(key, key): _tidy(value) for key, value in schema.items()}
    if found.get("default", ...) is None:
        del found["default"]
    if isinstance(found.get("description"), str):
        found["description"] = prose(found["description"])
    return found


def prose(docstring: str) -> str:
    """A docstring as Markdown on one line."""
    return " ".join(docstring.replace("``", "`").split())
