"""``/openapi.json`` says what the service does: every route, every error, schemas that hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, ValidationError

from app import create_app
from config import Settings
from models import requests, responses, shapes
from models.transfer_requests import ImportSecrets
from routes import problems, refusals
from routes.context import vault_of
from routes.declared import Answer
from routes.endpoint import Call, answer, endpoint
from routes.guard import DOORS, anybody, session
from routes.specification import VERSION, document
from routes.trail import Unrecorded
from routes.transport import _DEVELOPMENT, _PRODUCTION
from tests.support import docs
from tests.support.documented import undocumented
from tests.support.people import Person
from utils.openapi_examples import UNKNOWN

Node = dict[str, Any]
pytestmark = pytest.mark.one_engine("sqlite", "the document is the same over every database")


@pytest.fixture
def described(stranger: Person) -> Node:
    """The document, as anybody gets it."""
    found = stranger.get("/openapi.json")
    assert found.status_code == 200
    return dict(found.json or {})


def walk(node: Any, path: str = "#") -> Iterator[tuple[str, Node]]:
    """Every object in the document, with where it is."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from walk(value, f"{path}/{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from walk(value, f"{path}/{number}")


def operations_of(described: Node) -> dict[str, Node]:
    """By what the url map calls them: ``GET /secrets/{name}``."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }


def resolved(described: Node, node: Node) -> Node:
    """What a reference refers to."""
    while "$ref" in node:
        found: Any = described
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def checker(described: Node, schema: Node) -> Draft202012Validator:
    """Of a schema within the document, whose references lead into it."""
    whole = {**schema, "components": described["components"]}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


# --- all of it, and nothing else ---------------------------------------------------------------


def test_every_route_and_method_is_described_and_no_other(app: Flask, described: Node) -> None:
    """HEAD and OPTIONS aside, which come with every URL by themselves."""
    existing = {
        f"{method} {rule.rule}".replace("<secret_name:", "<").replace("<", "{").replace(">", "}")
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert set(operations_of(described)) == existing


def test_the_document_is_valid_openapi_3_1(described: Node) -> None:
    """By the meta schema of the specification, with every reference leading somewhere."""
    assert described["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(described).validate()


def test_the_document_names_the_version_of_the_program(described: Node) -> None:
    """The one in pyproject.toml, which the running service does not read."""
    found = re.search(r'^version = "(.+)"$', docs.read("pyproject.toml"), re.MULTILINE)
    assert found is not None
    assert described["info"]["version"] == VERSION == found[1]


def test_every_kind_of_problem_can_be_found_from_a_response(app: Flask) -> None:
    """With its type, its status and an example; the ones that no operation can have beside them.
    That of CSRF protection only where that is on."""
    without = document(app, _PRODUCTION, csrf=False)["components"]["responses"]
    assert not any("csrf-failed" in name for name in without)
    described = document(app, _PRODUCTION, csrf=True)
    shown: dict[str, int] = {}
    for response in described["components"]["responses"].values():
        media = response["content"][refusals.PROBLEM]
        for name, example in media["examples"].items():
            value = resolved(described, example)["value"]
            assert value["type"] == problems.TYPE_PREFIX + name
            assert value["status"] == media["schema"]["properties"]["status"]["const"]
            shown[name] = value["status"]
    every = {
        cells[0].strip("`"): int(cells[1]) for cells in docs.rows(docs.read("docs/problems.md"))
    }
    assert shown == every
    used = {node["$ref"] for _, node in walk(described["paths"]) if "$ref" in node}
    unused = {
        name
        for name in described["components"]["responses"]
        if f"#/components/responses/{name}" not in used
    }
    assert unused == {"404.unknown-url", "405.method-not-allowed"}


def test_every_operation_says_what_it_is_and_what_it_answers(described: Node) -> None:
    """A summary, an answer that is good, and the headers that no answer lacks."""
    for name, operation in operations_of(described).items():
        assert operation["summary"], name
        assert any(status < "400" for status in operation["responses"]), name
        for response in operation["responses"].values():
            assert "X-Request-ID" in resolved(described, response)["headers"], name


# --- examples ----------------------------------------------------------------------------------


def test_every_body_has_an_example_that_its_schema_allows(described: Node) -> None:
    """In and out. One that shows nothing is a field that nobody has thought of."""
    checked = 0
    for path, node in walk(described):
        if "schema" not in node or path.startswith("#/components/headers"):
            continue
        shown = [resolved(described, one)["value"] for one in node.get("examples", {}).values()]
        shown += [node["example"]] if "example" in node else []
        if path.endswith(("application~1json", "application/json", "problem+json")):
            assert shown or node["schema"] == {"type": "object"}, path
        for example in shown:
            assert f'"{UNKNOWN}"' not in json.dumps(example), f"utils/openapi_examples: {path}"
            found = checker(described, node["schema"]).iter_errors(example)
            assert [error.message for error in found] == [], path
            checked += 1
    assert checked > 50


def test_the_service_takes_the_examples(described: Node, alice: Person) -> None:
    """Whoever copies one is told nothing of fields."""
    tried = 0
    for name, operation in operations_of(described).items():
        method, path = name.split(" ", 1)
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            if "example" not in media:
                continue
            example = media["example"]
            body = example if isinstance(example, str) else json.dumps(example)
            answered = alice.request(
                method, path.replace("{name}", "shop/db-password"), data=body, content_type=kind
            )
            assert answered.status_code not in {400, 415, 422}, (name, answered.text)
            tried += 1
    assert tried > 8


def test_real_answers_fit_their_schemas(described: Node, alice: Person) -> None:
    """An answer with a field that is not described would be one that nobody allowed."""
    alice.put("/secrets/a", json={"secret": "value", "expires_at": "2100-01-01T00:00:00Z"})
    alice.post("/tokens", json={"name": "job", "scopes": ["read"]})
    templates = {"/secrets/a": "/secrets/{name}"}
    for path in ("/secrets", "/secrets/a", "/account", "/sessions", "/tokens", "/keys", "/healthz"):
        good = described["paths"][templates.get(path, path)]["get"]["responses"]["200"]
        allowed = checker(described, good["content"]["application/json"]["schema"])
        found = alice.get(path).json
        allowed.validate(found)
        assert not allowed.is_valid({**(found or {}), "more": 1}), path


def test_the_limits_of_a_password_are_those_that_are_checked() -> None:
    """Said in one module, and checked in another."""
    shape = shapes.PASSWORD.json_schema or {}
    assert shape["minLength"] == requests.MIN_PASSWORD_CHARACTERS
    assert shape["maxLength"] == requests.MAX_PASSWORD_BYTES


# --- who may call ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prefix",
    [
        *("", "a", "app/", "app", "app/b", "a//", "/", "/a", "a/./", "a/..", ".", "..", "...", "é"),
        *("x" * 253 + "/", "x" * 254, "x" * 254 + "/", "x" * 255),
    ],
)
def test_the_prefix_of_an_import_is_described_as_it_is_checked(prefix: str) -> None:
    """It need not end in a slash: ``prefix=shop-`` makes ``shop-DB_PASSWORD``."""
    described = Draft202012Validator(shapes.NEW_PREFIX.json_schema or {}).is_valid(prefix)
    try:
        ImportSecrets(prefix=prefix)
    except ValidationError:
        assert not described
    else:
        assert described


def test_every_access_rule_is_described() -> None:
    """Those that a route can name: a new one without a line in DOORS would break the document."""
    from routes import guard  # noqa: PLC0415 - its members, not its names

    rules = {
        rule
        for name, rule in vars(guard).items()
        if callable(rule)
        and not name.startswith("_")
        and getattr(rule, "__module__", "") == guard.__name__
        and not isinstance(rule, type)
    }
    assert set(DOORS) == rules


def test_security_is_what_the_guard_asks_for(described: Node) -> None:
    """Cookie or token where both will do; no token where it is refused; nothing where all may."""
    found = {name: one["security"] for name, one in operations_of(described).items()}
    assert found["GET /secrets"] == [{"session": []}, {"token": []}]
    assert found["GET /account"] == [{"session": []}]
    assert found["POST /refresh"] == [{"refresh": []}]
    assert found["POST /login"] == [{}, {"session": []}, {"refresh": []}]
    assert found["GET /healthz"] == []


def test_cookies_have_the_names_of_where_you_call_from(app: Flask) -> None:
    """``flask run`` on one's own machine, and everywhere else."""
    for cookies in (_DEVELOPMENT, _PRODUCTION):
        schemes = document(app, cookies, csrf=False)["components"]["securitySchemes"]
        assert schemes["session"]["name"] == cookies.access
        assert schemes["refresh"]["name"] == cookies.refresh
        assert schemes["token"] == {**schemes["token"], "type": "http", "scheme": "bearer"}
        assert "csrf" not in schemes


def test_csrf_is_described_where_it_is_on(settings: Settings) -> None:
    """Beside the cookie, for what changes something; an API token needs none."""
    app = create_app(settings.model_copy(update={"JWT_COOKIE_CSRF_PROTECT": True}))
    described = Person(app, "stranger").get("/openapi.json").json or {}
    OpenAPIV31SpecValidator(described).validate()
    assert described["components"]["securitySchemes"]["csrf"]["name"] == "X-CSRF-TOKEN"
    found = operations_of(described)
    assert found["POST /secrets"]["security"] == [{"session": [], "csrf": []}, {"token": []}]
    assert found["GET /secrets"]["security"] == [{"session": []}, {"token": []}]
    vault_of(app).close()


# --- served ------------------------------------------------------------------------------------


def test_the_document_has_a_tag_and_is_made_once(stranger: Person) -> None:
    """Who has it already gets 304."""
    first = stranger.get("/openapi.json")
    again = stranger.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert stranger.get("/openapi.json").data == first.data


# --- what a route must declare -----------------------------------------------------------------


def test_a_route_that_does_not_say_what_it_answers_does_not_import() -> None:
    """Not a gap in the document, found later by somebody who reads it."""
    with pytest.raises(TypeError, match="answers"):
        endpoint(  # type: ignore[call-arg]
            access=anybody, body=requests.Nothing, query=requests.NoQuery
        )


class Found(responses.Response):
    """An answer."""

    thing: str


def test_an_answer_that_is_not_declared_fails_the_test_that_gets_it(app: Flask) -> None:
    """In whichever test: all of them ask."""

    @app.get("/things")
    @endpoint(
        access=anybody,
        audit=Unrecorded("a test"),
        body=requests.Nothing,
        query=requests.NoQuery,
        answers={200: Answer(Found)},
    )
    def things(_call: Call[requests.Nothing, requests.NoQuery]) -> Any:
        """Answers another status than it says."""
        return answer(Found(thing="a"), 201)

    with pytest.raises(AssertionError, match="GET /things answered 201 , which its @endpoint"):
        Person(app, "stranger").get("/things")
    assert issubclass(Found, BaseModel)
    assert (
        undocumented(app, app.test_client().get("/healthz", base_url="https://localhost")) is None
    )
    assert session in DOORS
