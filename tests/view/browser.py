"""A real browser without a screen, spoken to by the Chrome DevTools protocol."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = (
    *("--headless=new", "--no-sandbox", "--no-first-run", "--disable-dev-shm-usage"),
    *("--remote-debugging-port=0", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
START_S = 60.0
HOVER_S = 0.5  # until a page that is drawn by a processor knows what lies below the mouse


class Browser:
    """One page of a browser.

    Args:
        address: of its DevTools socket.
    """

    def __init__(self, address: str) -> None:
        from websockets.sync.client import connect  # comes with viser

        self._socket = connect(address, max_size=None)
        self._count = 0
        self.requests: list[str] = []  # addresses of everything that the page loaded
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return what a method of the protocol answers; events meanwhile are looked through."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=START_S))
            if message.get("method") == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            if message.get("method") == "Network.webSocketCreated":
                self.requests.append(message["params"]["url"])
            if message.get("id") == self._count:
                assert "error" not in message, message["error"]
                return dict(message["result"])

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def text(self) -> str:
        """Return the words on the page."""
        found = self.call("Runtime.evaluate", expression="document.body.innerText")
        return str(found["result"].get("value", ""))

    def wait_for(self, words: str, seconds: float = START_S) -> str:
        """Wait until words stand on the page; returns its text."""
        end = time.monotonic() + seconds
        while words not in (text := self.text()):
            assert time.monotonic() < end, f"'{words}' did not come; the page says: {text}"
            time.sleep(0.2)
        return text

    def click(self, label: str) -> None:
        """Press the button that has these words and no others."""
        which = f"[...document.querySelectorAll('button')].find(b => b.innerText === '{label}')"
        pressed = self.call("Runtime.evaluate", expression=f"{which}.click()")
        assert "exceptionDetails" not in pressed, f"no button '{label}'"

    def screenshot(self) -> NDArray[np.uint8]:
        """(H, W, 3) RGB of what one would see."""
        picture = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))

    def drag(self, begin: tuple[float, float], end: tuple[float, float], moves: int = 10) -> None:
        """Press the left button at one place, move, and let it go at another."""
        self.mouse("mouseMoved", begin)
        time.sleep(HOVER_S)
        self.mouse("mousePressed", begin)
        for k in range(1, moves + 1):
            x, y = (a + (b - a) * k / moves for a, b in zip(begin, end, strict=True))
            self.mouse("mouseMoved", (x, y))
            time.sleep(0.05)
        self.mouse("mouseReleased", end)

    def mouse(self, kind: str, place: tuple[float, float]) -> None:
        pressed = {"button": "left", "buttons": 1, "clickCount": 1}
        rest = {} if kind == "mouseMoved" and not self._pressed else pressed
        self._pressed = kind == "mousePressed" or (self._pressed and kind == "mouseMoved")
        self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], **rest)

    _pressed = False


@contextmanager
def browser(folder: Path, size: tuple[int, int] = (1400, 800)) -> Iterator[Browser]:
    """Start a browser whose profile lies in a folder; it ends with the block.

    Args:
        size: (width, height) of the page.
    """
    window = f"--window-size={size[0]},{size[1]}"
    command = [CHROMIUM, *FLAGS, window, f"--user-data-dir={folder}", "about:blank"]
    log = (folder.parent / "browser.log").open("w")
    with log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield Browser(_page_socket(folder / "DevToolsActivePort"))
        finally:
            process.terminate()
            process.wait(timeout=30)


def _page_socket(file: Path) -> str:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if file.is_file() and (lines := file.read_text().split()):
            with urlopen(f"http://127.0.0.1:{lines[0]}/json/list") as answer:
                pages = [page for page in json.load(answer) if page["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
        time.sleep(0.1)
    raise AssertionError("the browser did not start")
