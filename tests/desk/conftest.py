"""A desk to test: the small use case with two days decided by a model, accounts, and people who are logged in."""

from __future__ import annotations

import contextlib
import html
import re
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from desk import accounts, passwords, tables
from desk.app import build_app
from desk.roles import PAGES_OF_ROLE
from desk.server import DeskServer, listen
from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.responses import answers_by_decision, open_log
from sixtyforty.decisions.review_queue import queue_reviews
from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE
from sixtyforty.spec.decision_list import DecisionList
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace
from tests.browsers import open_chromium
from tests.helpers import make_workspace, publish_days, put_champion_in_force
from tests.postgres import Postgres

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(14)]
PREVIOUS_DAY, DAY = DAYS[-2].isoformat(), DAYS[-1].isoformat()
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # shared, because loading the certificates takes time
PASSWORD = "correct horse battery"
NEW_PASSWORD = "stapled moss under a lantern"
REASONS = {"load": "The load is {value:.0%}", "site": "It is in the {value}"}
RULE = {
    "description": "a second fitter wherever it is busy",
    "action": "case when load > 0.2 then 'act' else 'wait' end",
}
TASK = {"title": "Reads the list", "role": "dispatcher", "headcount": 2, "skill": "reading"}
CHANGE = {
    "executive": {"role": "head of service", "statement": "Nobody waits in vain."},
    "research": [{"day": "2013-02-01", "participants": "three dispatchers", "finding": "They guess at night."}],
    "change": {
        "sceptics": [{"role": "fitters", "concern": "longer days", "response": "a limit"}],
        "training": {"lists": TASK},
    },
}
GATE = {
    "target": 500,
    "minimum_gain": 100,
    "stop_date": "2013-08-01",
    "minimum_findings": 1,
    "minimum_trained_share": 0.5,
}
REVIEW = {"reviewers": {"ann": 12, "bo": 9}, "minutes_per_review": 5, "abstain_below": 2, "rule": "busy"}
CODE_AS_TEXT = [  # what people may type as a reason: it must never run
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; drop table x; --",
    "{{ 7 * 7 }}",
    "</q></p></li>",
    "javascript:alert(1)",
]


@pytest.fixture(scope="session", autouse=True)
def production_cost() -> Iterator[tuple[int, int, int]]:
    """The N, r and p of scrypt in production; in these tests a password costs almost nothing."""
    patch, cost = pytest.MonkeyPatch(), (passwords.N, passwords.R, passwords.P)
    patch.setattr(passwords, "N", 2)
    patch.setattr(passwords, "P", 1)
    yield cost
    patch.undo()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two days of decisions by a model, with their review queue, their outcomes and their money."""
    ws = make_workspace(
        tmp_path_factory.mktemp("home"),
        model={"reasons": REASONS},
        people={"review": REVIEW, **CHANGE},
        kpi={"candidates": {"busy": RULE}},
        stages={"poc": GATE},
    )
    publish_days(ws, DAYS, count=60)
    put_champion_in_force(ws, DAYS[-2])
    take_decisions(ws, [PREVIOUS_DAY, DAY], "replay", None)
    queue_reviews(ws, [PREVIOUS_DAY, DAY], "replay")
    kpi_ledger.write_accounts(ws, [PREVIOUS_DAY, DAY], "replay")
    return ws


@pytest.fixture(scope="session")
def database_with_accounts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with an account for each role, named after it."""
    path = tmp_path_factory.mktemp("accounts") / "desk.db"
    database = tables.open_database(f"sqlite:///{path}")
    tables.create_tables(database)
    for role in PAGES_OF_ROLE:
        accounts.save_account(database, role, role, PASSWORD)
    database.dispose()
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty database of the desk, with its tables."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'new' / 'desk.db'}"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.database()
    engine = tables.open_database(url)
    tables.create_tables(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def decision_list() -> DecisionList:
    """What the declaration says about the lines of the list. A test file may return another one."""
    return DecisionList()


@pytest.fixture
def ws(home: Workspace, database_with_accounts: Path, tmp_path: Path, decision_list: DecisionList) -> Workspace:
    """The same home with a database of its own, in which nobody has answered yet."""
    copy = shutil.copyfile(database_with_accounts, tmp_path / "desk.db")
    use_case = home.use_case.model_copy(update={"decision_list": decision_list})
    return Workspace(use_case, home.home, f"sqlite:///{copy}")


class RunningDesk:
    """A desk that is served in a thread. `options`: see `build_app`."""

    def __init__(self, workspaces: Mapping[str, Workspace], **options: object) -> None:
        self.ws, self._clients = next(iter(workspaces.values())), contextlib.ExitStack()
        self.database = tables.open_database(self.ws.database_url)
        tables.create_tables(self.database)
        self._socket = listen(0)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        ready = threading.Event()
        app = build_app(workspaces, self.database, **options)  # type: ignore[arg-type]
        self._server = DeskServer(app, ready.set, False)
        self._thread = threading.Thread(target=self._server.run, args=[[self._socket]], daemon=True)
        self._thread.start()
        assert ready.wait(30)

    def stop(self) -> None:
        self._clients.close()
        self._server.should_exit = True
        self._thread.join(30)
        self._socket.close()
        self.database.dispose()
        open_log(self.ws)[0].dispose()

    def add_accounts(self, *names: str, role: str | None = None) -> None:
        for name in names:
            accounts.save_account(self.database, name, role or name, PASSWORD)

    def client(self) -> httpx.Client:
        """Return a browser in which nobody is logged in."""
        return self._clients.enter_context(httpx.Client(base_url=self.url, timeout=60, verify=NO_TLS))

    def client_with_token(self, token: str) -> httpx.Client:
        """Return a browser that holds a session token."""
        client = self.client()
        client.cookies.set("desk", token, domain="127.0.0.1")
        return client

    def person(self, name: str) -> Person:
        """Return a person with an account, logged in."""
        person = Person(self.client())
        assert person.log_in(name).status_code == 303
        return person


class Person:
    """A person who opens pages and sends their forms, without JavaScript."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def log_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        page = self.client.get("/").text
        return self.client.post("/", data={"csrf": csrf_in(page), "name": name, "password": password})

    def get(self, address: str) -> httpx.Response:
        return self.client.get(address)

    def send(self, address: str, **form: str) -> httpx.Response:
        """Send a form of the page at an address."""
        return self.client.post(address, data={"csrf": csrf_in(self.client.get(address).text)} | form)

    def accept(self, decision_id: str, address: str = "/decisions?show=all") -> httpx.Response:
        return self.send(address, decision_id=decision_id, event="accepted")

    def override(self, decision_id: str, action: str, reason: str, address: str = "/decisions") -> httpx.Response:
        return self.send(address, decision_id=decision_id, event="overridden", action=action, reason=reason)


def csrf_in(page: str) -> str:
    """Return the token of a page's forms."""
    match = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert match, page
    return match[1]


def shown_ids(page: str) -> list[str]:
    """Return the ids of the decisions on a page, in order."""
    return re.findall(r'<li id="([^"]+)" class="item', page)


def visible_text(page: str) -> str:
    """Return what a person reads on a page, in one line."""
    body = re.sub(r"<(script|style|head|svg).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def decision_text(page: str, decision_id: str) -> str:
    """Return what a person reads about one decision of a page."""
    return visible_text(re.split(r'<li id="', page.split(f'<li id="{decision_id}"')[1])[0])


def answers_of_day(ws: Workspace, partition: str) -> dict[str, Response]:
    """Return the answers to a day's decisions, by decision id."""
    return answers_by_decision(ws, [d.decision_id for d in read_decisions(ws, partition, "replay")])


@pytest.fixture
def desk(ws: Workspace) -> Iterator[RunningDesk]:
    """A desk that is served, with an account for each role."""
    running = RunningDesk({ws.use_case.name: ws})
    yield running
    running.stop()


@pytest.fixture
def decider(desk: RunningDesk) -> Person:
    return desk.person("decider")


@pytest.fixture
def expert(desk: RunningDesk) -> Person:
    return desk.person("expert")


@pytest.fixture
def auditor(desk: RunningDesk) -> Person:
    return desk.person("auditor")


@pytest.fixture
def freeze_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set the current time of the project to a UTC time."""

    def freeze(now: datetime) -> None:
        (tmp_path / "clock").write_text(now.isoformat())
        monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "clock"))

    return freeze


@pytest.fixture(scope="module")  # an open browser keeps an event loop running, which other tests need for themselves
def browser() -> Iterator[Any]:
    """The system's Chromium."""
    with open_chromium() as chromium:
        yield chromium


class Tabs:
    """Browser windows, each of one person. `problems` collects what goes wrong in any of them."""

    def __init__(self, browser: Any, desk: RunningDesk) -> None:
        self._browser, self._desk = browser, desk
        self._contexts: list[Any] = []
        self.problems: list[str] = []

    def open(self, name: str, press_log_in: bool = False, **options: Any) -> Any:
        """Return a window in which a person has logged in. press_log_in: by a click instead of the Enter key."""
        self._contexts.append(self._browser.new_context(base_url=self._desk.url, **options))
        tab = self._contexts[-1].new_page()
        tab.set_default_timeout(60_000)
        tab.on("pageerror", lambda e: self.problems.append(f"{e}"))
        tab.on("console", lambda m: self.problems.append(m.text) if m.type == "error" else None)
        tab.on("dialog", lambda d: (self.problems.append(f"dialog: {d.message}"), d.dismiss()))
        tab.on("request", lambda r: None if r.url.startswith(self._desk.url) else self.problems.append(r.url))
        tab.goto("/")
        tab.get_by_label("Name").fill(name)
        tab.get_by_label("Password").fill(PASSWORD)
        if press_log_in:
            tab.get_by_role("button", name="Log in").click()
        else:
            tab.keyboard.press("Enter")
        tab.get_by_role("button", name="Log out").wait_for()
        return tab

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def tabs(browser: Any, desk: RunningDesk) -> Iterator[Tabs]:
    windows = Tabs(browser, desk)
    yield windows
    windows.close()
    assert [p for p in windows.problems if "the server responded with a status of 4" not in p] == []
