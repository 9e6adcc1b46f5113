"""The Chromium of this machine, for the browser tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@contextmanager
def open_chromium(*flags: str) -> Iterator[Any]:
    """Start the installed Chromium without a window, and close it after the block. It downloads nothing.

    flags: further options of Chromium's command line.
    """
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)))
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=program, args=[*FLAGS, *flags])
        yield chromium
        chromium.close()
