"""``/docs`` in a real browser: all that is described is there, and nothing comes from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.browser import Browser, BrowserMissing, chromium, connections, find_chromium
from tests.support.people import Person
from tests.support.server import Server

SHOWN = "document.querySelectorAll('.opblock').length"
REMOTE = re.compile(rb"""(?:src|href)\s*=\s*["']?(?:https?:)?//""")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``flask run``, as somebody has it who looks at the page."""
    with Server(tmp_path_factory.mktemp("docs") / "instance") as running:
        yield running


def operations(server: Server) -> list[tuple[str, str]]:
    """What the document describes, as the page would write it."""
    described = requests.get(server.url + "/openapi.json", timeout=60).json()
    return sorted(
        (method.upper(), path) for path, methods in described["paths"].items() for method in methods
    )


def look(server: Server, browser: Browser) -> None:
    """Open the page and wait until it shows something."""
    browser.open(server.url + "/docs", f"{SHOWN} > 0")


def test_the_page_shows_every_operation_without_internet(server: Server, tmp_path: Path) -> None:
    """All that it asks for is here: by what the page asked, and by what the browser connected to.
    Its policy refused nothing, and no script failed."""
    with chromium(tmp_path) as browser:
        look(server, browser)
        shown = browser.ask(
            "[...document.querySelectorAll('.opblock')].map(one => ["
            "one.querySelector('.opblock-summary-method').textContent,"
            "one.querySelector('.opblock-summary-path').dataset.path])"
        )
        assert sorted(map(tuple, shown)) == operations(server)
        picture = browser.screenshot(tmp_path / "docs.png").read_bytes()
    assert len(picture) > 50_000
    asked = {url for url in browser.requests if not url.startswith("data:")}
    paths = ("", "/page.js", "/swagger-ui.js", "/swagger-ui.css")
    assert asked == {*(f"{server.url}/docs{path}" for path in paths), f"{server.url}/openapi.json"}
    assert browser.said == []
    assert connections(tmp_path / "network.json") == {f"127.0.0.1:{server.port}"}


def test_an_operation_opens_and_nothing_can_be_sent_from_it(server: Server, tmp_path: Path) -> None:
    """Its errors are told, with their types. There is no place for a password or a token."""
    with chromium(tmp_path) as browser:
        look(server, browser)
        browser.ask("document.querySelector('#operations-secrets-put_secret button').click()")
        browser.wait_for("document.body.textContent.includes('precondition-failed')")
        assert (
            browser.ask("document.querySelectorAll('.try-out, .execute, .authorize').length") == 0
        )
        assert browser.ask("document.querySelectorAll('input:enabled').length") == 0
    assert browser.said == []


def test_the_policy_refuses_what_is_not_ours(server: Server, tmp_path: Path) -> None:
    """And the test hears of it: an inline script, another site's script, and a request to it."""
    with chromium(tmp_path) as browser:
        look(server, browser)
        before = len(browser.said)
        browser.ask(
            "{ const one = document.createElement('script'); one.textContent = 'window.ran = true';"
            "document.body.append(one); const other = document.createElement('script');"
            "other.src = 'https://example.org/a.js'; document.body.append(other);"
            "fetch('https://example.org/b').catch(() => { window.refused = true }); }"
        )
        browser.wait_for("window.refused === true")
        assert browser.ask("window.ran === undefined")
        said = " ".join(browser.said[before:])
    assert "inline" in said
    assert "https://example.org/a.js" in said
    assert "https://example.org/b" in said
    assert connections(tmp_path / "network.json") == {f"127.0.0.1:{server.port}"}


def test_a_missing_browser_is_no_reason_to_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails, and says what to install."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CHROMIUM", raising=False)
    with pytest.raises(BrowserMissing, match="Install Chromium"):
        find_chromium()


@pytest.mark.one_engine("sqlite", "the page is the same over every database")
def test_every_file_of_the_page_has_its_type_and_names_no_other_site(stranger: Person) -> None:
    """``nosniff`` stands beside the type, so a wrong one would stop the page."""
    types = {
        "/docs": "text/html; charset=utf-8",
        "/docs/page.js": "text/javascript; charset=utf-8",
        "/docs/swagger-ui.js": "text/javascript; charset=utf-8",
        "/docs/swagger-ui.css": "text/css; charset=utf-8",
    }
    for path, kind in types.items():
        found = stranger.get(path)
        assert (found.status_code, found.content_type) == (200, kind)
        assert found.headers["X-Content-Type-Options"] == "nosniff"
        if not path.endswith("swagger-ui.js"):  # whose text has links for people to follow
            assert not REMOTE.search(found.data), path
            assert b"@import" not in found.data
    assert b"url(http" not in stranger.get("/docs/swagger-ui.css").data
    policy = stranger.get("/docs").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"unsafe|https?:|\*", policy)
    for path in ("/docs/page.js", "/openapi.json"):
        assert (
            stranger.get(path).headers["Content-Security-Policy"].startswith("default-src 'none'")
        )
