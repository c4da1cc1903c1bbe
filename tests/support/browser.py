"""A real Chromium without a window, driven over a pipe by the DevTools protocol.

No library: what is needed is to open a page, ask it something, and hear of every request. Chromium
is the one that is installed; where there is none, tests fail and say so.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome", "chrome")
_PATIENCE_SECONDS = 90  # shared machines: the first page takes one second, or thirty
Message = dict[str, Any]


class BrowserMissing(Exception):
    """No Chromium here."""


def find_chromium() -> str:
    """The program. CHROMIUM names one that is not on PATH. Raises BrowserMissing."""
    for name in (os.environ.get("CHROMIUM", ""), *_NAMES):
        if name and (found := shutil.which(name)):
            return found
    raise BrowserMissing(
        "The docs page is tested in a real browser. Install Chromium (Debian: apt-get install "
        "chromium), or let CHROMIUM name it."
    )


@dataclass
class Browser:
    """One page in a browser of its own. What the page asks for and says is kept."""

    process: subprocess.Popen[bytes]
    commands: int
    events: int
    requests: list[str] = field(default_factory=list)  # URLs, of whatever the page asked for
    said: list[str] = field(default_factory=list)  # console, exceptions, refusals of the policy
    _session: str | None = None
    _last: int = 0
    _unread: bytes = b""

    def open(self, url: str, seen: str) -> None:
        """Go there, and wait until the JavaScript expression *seen* holds."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log", "Audits"):
            self.send(f"{domain}.enable")
        self.send("Page.navigate", url=url)
        self.wait_for(seen)

    def wait_for(self, seen: str) -> None:
        """Wait until the JavaScript expression *seen* holds."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self.ask(seen):
            assert time.monotonic() < deadline, f"not seen: {seen}; the page says {self.said}"
            time.sleep(0.1)

    def ask(self, expression: str) -> Any:
        """What a JavaScript expression is worth on the page."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def screenshot(self, path: Path) -> Path:
        """All of the page, as a picture."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def send(self, method: str, **parameters: Any) -> Message:
        """A command, and its result."""
        self._last += 1
        message: Message = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        for heard in self._hear():
            if heard.get("id") == self._last:
                assert "error" not in heard, heard
                return dict(heard["result"])
        raise AssertionError("the browser ended")

    def _hear(self) -> Iterator[Message]:
        while chunk := os.read(self.events, 1 << 20):
            *whole, self._unread = (self._unread + chunk).split(b"\0")
            messages = [json.loads(message) for message in whole]
            for message in messages:
                self._note(message.get("method", ""), message.get("params", {}))
            yield from messages

    def _note(self, event: str, about: Message) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.said.append(json.dumps(about["exceptionDetails"]))
        elif event in {"Log.entryAdded", "Runtime.consoleAPICalled"} or (
            event == "Audits.issueAdded" and "ContentSecurityPolicy" in about["issue"]["code"]
        ):
            self.said.append(json.dumps(about))


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own. It writes all that it ever asks the network for into
    ``network.json``, the requests of the browser itself too."""
    read_commands, commands = map(_high, os.pipe())
    events, write_events = map(_high, os.pipe())
    arguments = [
        *(find_chromium(), "--headless", "--remote-debugging-pipe", "--window-size=1280,1024"),
        *("--no-first-run", "--no-default-browser-check", "--disable-gpu"),
        "--disable-dev-shm-usage",  # in a container, it is small
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--disable-extensions", "--disable-default-apps", "--no-pings", "--no-proxy-server"),
        # Chromium itself wants to ask its maker for much. Nothing has an address here but this
        # machine: what a page asks elsewhere is heard of, and goes nowhere.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={folder / 'profile'}",
        f"--log-net-log={folder / 'network.json'}",
        # Chromium's own sandbox cannot be made by root. What it shows here are pages of ours.
        *(("--no-sandbox",) if os.geteuid() == 0 else ()),
        "about:blank",
    ]
    # It reads commands from descriptor 3, and writes to 4.
    moved = f'exec "$@" 3<&{read_commands} 4>&{write_events}'
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", moved, "bash", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(read_commands, write_events),
        )
    os.close(read_commands)
    os.close(write_events)
    try:
        yield Browser(process, commands, events)
    finally:
        os.close(commands)  # which tells it to end, and to finish its network log
        try:
            process.wait(timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(events)


def _high(descriptor: int) -> int:
    """The same under a number that is neither 3 nor 4."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved


def connections(log: Path) -> set[str]:
    """The addresses that a browser which has ended had connected to, by its network log."""
    heard = json.loads(log.read_text("utf-8"))
    kinds = {number: name for name, number in heard["constants"]["logEventTypes"].items()}
    found = set()
    for event in heard["events"]:
        about = event.get("params", {})
        if kinds[event["type"]] == "TCP_CONNECT_ATTEMPT" and "address" in about:
            found.add(str(about["address"]))
    return found


if __name__ == "__main__":
    try:
        print(find_chromium())
    except BrowserMissing as missing:
        sys.exit(str(missing))
