"""The heartbeat of the watch: who watches the watch can tell that it still looks.

After each look the watch writes the time into a file of the home, which `sixtyforty doctor` and `/healthz` read. It
also requests SIXTYFORTY_HEARTBEAT_URL, if that is set. A service on another machine alerts when the requests stay away.
"""

from __future__ import annotations

import json
import sys
import time

from pipelines.settings import Settings
from sixtyforty.storage.files import write_atomic

FILE = "watch.json"
ANSWER_SECONDS = 10
LONGEST_PAUSE = 600.0  # seconds; a watch that has not looked for so long is not running


def report_look(settings: Settings) -> None:
    """Record that the watch has looked at everything.

    If the heartbeat address stops answering, or answers again, one line is written to the log.
    """
    file = settings.home / "data" / FILE
    problem = _request(settings.heartbeat_url) if settings.heartbeat_url else None
    before = json.loads(file.read_bytes()) if file.exists() else {}
    try:
        write_atomic(file, json.dumps({"looked_at": time.time(), "heartbeat_problem": problem}).encode())
    except OSError as error:  # on a full disk the watch goes on, and `/healthz` says that it hasn't looked
        print(f"watch: {file.name} can't be written ({error})", file=sys.stderr, flush=True)
    if problem != before.get("heartbeat_problem"):
        print(f"watch: SIXTYFORTY_HEARTBEAT_URL {problem or 'answers again'}", file=sys.stderr, flush=True)


def _request(url: str) -> str | None:
    """Request an address. Return the problem without the address, which may hold a secret; None if it answered.

    Redirects aren't followed, because they may lead to another server.
    """
    import requests

    try:
        with requests.get(url, timeout=ANSWER_SECONDS, allow_redirects=False, stream=True) as answer:
            return None if 200 <= answer.status_code < 300 else f"answered with the status {answer.status_code}"
    except requests.RequestException as error:
        return f"did not answer ({type(error).__name__})"


def seconds_since_look(settings: Settings, now: float) -> float | None:
    """Return how long ago the watch looked at everything, in seconds; None if it never did. `now`: since 1970."""
    try:
        return now - float(json.loads((settings.home / "data" / FILE).read_bytes())["looked_at"])
    except FileNotFoundError:
        return None
