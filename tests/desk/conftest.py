"""A desk to test at: the small use case with a day decided by a model, accounts, and people who are logged in."""

from __future__ import annotations

import contextlib
import re
import shutil
import ssl
import threading
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest

from desk import accounts, passwords, tables
from desk.app import build
from desk.roles import MAY
from desk.serve import Server, listen
from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import decide, decisions_of
from sixtyforty.decisions.responses import answers, log
from sixtyforty.decisions.review_queue import line_up
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace
from tests.helpers import crown, make_workspace, publish

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(14)]
BEFORE, P = DAYS[-2].isoformat(), DAYS[-1].isoformat()
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # one for all: to load the certificates of the world takes time
PASSWORD = "correct horse battery"
WORDS = {"load": "The load is {value:.0%}", "site": "It is in the {value}"}
RULE = {
    "description": "a second fitter wherever it is busy",
    "action": "case when load > 0.2 then 'act' else 'wait' end",
}
TASK = {"title": "Reads the list", "role": "dispatcher", "people": 2, "skill": "reading"}
CHANGE = {
    "executive": {"role": "head of service", "statement": "Nobody waits in vain."},
    "research": [{"day": "2013-02-01", "participants": "three dispatchers", "finding": "They guess at night."}],
    "change": {
        "sceptics": [{"role": "fitters", "concern": "longer days", "response": "a limit"}],
        "training": {"lists": TASK},
    },
}
GATE = {"target": 500, "minimum_gain": 100, "stop": "2013-08-01", "research": 1, "trained": 0.5}
REVIEW = {"reviewers": {"ann": 12, "bo": 9}, "minutes_per_review": 5, "abstain_below": 2, "rule": "busy"}


@pytest.fixture(scope="session", autouse=True)
def real_cost() -> Iterator[tuple[int, int, int]]:
    """What a password costs outside these tests, in which it costs nothing: N, r and p of scrypt."""
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
        model={"reasons": WORDS},
        people={"review": REVIEW, **CHANGE},
        kpi={"candidates": {"busy": RULE}},
        stages={"poc": GATE},
    )
    publish(ws, DAYS, count=60)
    crown(ws, DAYS[-2])
    decide(ws, [BEFORE, P], "replay", None)
    line_up(ws, [BEFORE, P], "replay")
    kpi_ledger.account(ws, [BEFORE, P], "replay")
    return ws


@pytest.fixture(scope="session")
def with_accounts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with an account for each role, named after it."""
    path = tmp_path_factory.mktemp("accounts") / "desk.db"
    database = tables.engine(f"sqlite:///{path}")
    tables.prepare(database)
    for role in MAY:
        accounts.put(database, role, role, PASSWORD)
    database.dispose()
    return path


@pytest.fixture
def ws(home: Workspace, with_accounts: Path, tmp_path: Path) -> Workspace:
    """The same home with a database of its own, in which nobody has answered yet."""
    copy = shutil.copyfile(with_accounts, tmp_path / "desk.db")
    return Workspace(home.use_case, home.home, f"sqlite:///{copy}")


class Running:
    """A desk that is served."""

    def __init__(self, workspaces: Mapping[str, Workspace], **how: object) -> None:
        self.ws, self._clients = next(iter(workspaces.values())), contextlib.ExitStack()
        self.database = tables.engine(self.ws.database_url)
        tables.prepare(self.database)
        self._socket = listen(0)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        ready = threading.Event()
        self._server = Server(build(workspaces, self.database, **how), ready.set, False)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self._server.run, args=[[self._socket]], daemon=True)
        self._thread.start()
        assert ready.wait(30)

    def stop(self) -> None:
        self._clients.close()
        self._server.should_exit = True
        self._thread.join(30)
        self._socket.close()
        self.database.dispose()
        log(self.ws)[0].dispose()

    def account(self, *names: str, role: str | None = None) -> None:
        for name in names:
            accounts.put(self.database, name, role or name, PASSWORD)

    def client(self) -> httpx.Client:
        """A browser, with nobody logged in."""
        return self._clients.enter_context(httpx.Client(base_url=self.url, timeout=60, verify=NO_TLS))

    def holding(self, token: str) -> httpx.Client:
        """A browser that holds this token."""
        client = self.client()
        client.cookies.set("desk", token, domain="127.0.0.1")
        return client

    def person(self, name: str) -> Person:
        """Somebody who has an account, logged in."""
        one = Person(self.client())
        assert one.log_in(name).status_code == 303
        return one


class Person:
    """What somebody does, without JavaScript: pages opened, forms sent as they are."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def log_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        page = self.client.get("/").text
        return self.client.post("/", data={"csrf": csrf(page), "name": name, "password": password})

    def get(self, address: str) -> httpx.Response:
        return self.client.get(address)

    def send(self, address: str, **form: str) -> httpx.Response:
        """A form of the page at this address."""
        return self.client.post(address, data={"csrf": csrf(self.client.get(address).text)} | form)

    def accept(self, decision_id: str, address: str = "/decisions?show=all") -> httpx.Response:
        return self.send(address, decision_id=decision_id, event="accepted")

    def override(self, decision_id: str, action: str, reason: str, address: str = "/decisions") -> httpx.Response:
        return self.send(address, decision_id=decision_id, event="overridden", action=action, reason=reason)


def csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found, page
    return found[1]


def shown(page: str) -> list[str]:
    """The ids of the decisions on a page, in order."""
    return re.findall(r'<li id="([^"]+)" class="item', page)


def answered(ws: Workspace, partition: str) -> dict[str, Response]:
    """The answers to a day's decisions, by decision id."""
    return answers(ws, [d["decision_id"] for d in decisions_of(ws, partition, "replay")])


@pytest.fixture
def desk(ws: Workspace) -> Iterator[Running]:
    """A desk that is served, with an account for each role."""
    one = Running({ws.use_case.name: ws})
    yield one
    one.stop()
