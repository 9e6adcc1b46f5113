"""The desk on the command line: it starts, prints its address and its first accounts, and listens on this machine."""

from __future__ import annotations

import io
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psutil
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from desk import accounts, tables
from desk.roles import PAGES_OF_ROLE
from desk.server import DeskServer, NoUseCaseError, PortTakenError, PublicDesk, listen, prepare_database, serve_desk
from pipelines.cli.app import main
from pipelines.settings import load_settings
from tests.desk.conftest import PASSWORD, Person


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path))
    for name in ("SIXTYFORTY_PROFILE", "SIXTYFORTY_DATABASE_URL", "SIXTYFORTY_LAKE", "SIXTYFORTY_DESK_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def start_desk(*arguments: str) -> tuple[subprocess.Popen[str], list[str]]:
    """Return the running desk, and the lines it printed up to its address."""
    command = [sys.executable, "-m", "pipelines.cli", "desk", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line.strip())
        if line.startswith("The desk: "):
            break
    return process, lines


@pytest.mark.e2e
def test_the_first_start_creates_accounts_and_prints_its_address(home: Path) -> None:
    process, lines = start_desk("--port", "0")
    try:
        address = lines[-1].removeprefix("The desk: ")
        pattern = r"Account created: (\w+), password (\S{22}) \(shown only this once\)"
        created = [match.groups() for line in lines[:-1] if (match := re.fullmatch(pattern, line))]
        assert [role for role, _ in created] == list(PAGES_OF_ROLE) and len(created) == len(lines) - 1
        for role, password in created:
            person = Person(httpx.Client(base_url=address, timeout=60))
            assert person.log_in(role, password).status_code == 303
            assert person.get(PAGES_OF_ROLE[role][0]).headers["location"] == "/account"  # for a password of one's own
            assert "Log out" in person.get("/account").text
            person.client.close()
        listening = [c.laddr for c in psutil.Process(process.pid).net_connections() if c.status == "LISTEN"]
        assert [f"http://{a.ip}:{a.port}" for a in listening] == [address]
        assert main(["desk", "--port", address.rpartition(":")[2]]) == 1  # two desks can't share a port
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in err and "password" not in out + err
    stored = (home / "data" / "deliveries.sqlite").read_bytes()
    assert all(password.encode() not in stored for _, password in created)


@pytest.mark.e2e
def test_a_later_start_creates_no_accounts_and_knows_its_proxy(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tables.open_database(load_settings().database_url)
    tables.create_tables(database)
    accounts.save_account(database, "ann", "owner", PASSWORD)
    accounts.remove_account(database, "ann")  # the first accounts must not come back when all are removed
    monkeypatch.setenv("SIXTYFORTY_DESK_URL", "https://desk.example")
    process, lines = start_desk("--port", "0")
    try:
        assert len(lines) == 1
        address, _, public = lines[0].removeprefix("The desk: ").partition(" (for others: ")
        assert public == "https://desk.example)"
        page = httpx.get(address, headers={"Host": "desk.example"}, timeout=60)
        assert page.status_code == 200 and page.headers["set-cookie"].startswith("__Host-desk-visitor=")
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.parametrize(("behind_proxy", "address"), [(True, "203.0.113.7"), (False, "127.0.0.1")])
def test_only_a_proxy_names_the_clients_address(behind_proxy: bool, address: str) -> None:
    async def show_client(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(scope["client"][0])(scope, receive, send)

    ready = threading.Event()
    server = DeskServer(show_client, ready.set, behind_proxy)
    with listen(0) as listening:
        thread = threading.Thread(target=server.run, args=[[listening]], daemon=True)
        thread.start()
        assert ready.wait(30)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        shown = httpx.get(url, headers={"X-Forwarded-For": "203.0.113.7"}, timeout=60).text
        server.should_exit = True
        thread.join(30)
    assert shown == address


def test_the_first_accounts_are_shown_once(tmp_path: Path) -> None:
    lines: list[str] = []
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    prepare_database(url, lines.append).dispose()
    prepare_database(url, lines.append).dispose()
    assert [line.split(",")[0] for line in lines] == [f"Account created: {role}" for role in PAGES_OF_ROLE]


def test_a_taken_port_is_refused_with_what_to_do() -> None:
    with listen(0) as listening, pytest.raises(PortTakenError, match="Choose another port with --port"):
        listen(listening.getsockname()[1])


def test_an_invalid_public_address_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIXTYFORTY_DESK_URL", "desk.example")
    assert main(["desk", "--port", "0"]) == 1
    assert "SIXTYFORTY_DESK_URL is not a web address" in capsys.readouterr().err


def test_a_taken_port_creates_no_accounts(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert main(["desk", "--port", str(other.getsockname()[1])]) == 1
    assert "Choose another port with --port" in capsys.readouterr().err
    assert not (home / "data" / "deliveries.sqlite").exists()  # nobody would have seen the passwords


def test_accounts_are_created_changed_and_removed_by_command(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str, typed: str = "") -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = main(["desk-account", *arguments])
        return code, "".join(capsys.readouterr())

    assert run("ann", "--role", "expert", typed=PASSWORD + "\n") == (
        0,
        "Created the account ann (expert). The next log-in asks for a new password.\n",
    )
    changed = "Changed the account ann (owner) and logged it out. The next log-in asks for a new password.\n"
    assert run("ann", "--role", "owner", typed=PASSWORD) == (0, changed)
    code, output = run("ann", "--role", "boss", typed=PASSWORD)
    assert code == 1 and "decider, expert, owner, auditor" in output
    code, output = run("ann", "--role", "owner", typed="short\n")
    assert code == 1 and "12 to 256 characters" in output and "short" not in output
    assert run("ann", "--remove") == (0, "Removed the account ann.\n")
    assert run("ann", "--remove")[0] == 1
    assert run("ann")[0] != 0


def test_a_password_at_the_keyboard_is_typed_twice(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Keyboard())
    typed = iter([PASSWORD, PASSWORD + "x", PASSWORD, PASSWORD])
    monkeypatch.setattr("pipelines.cli.desk.getpass", lambda prompt: next(typed))
    assert main(["desk-account", "ann", "--role", "owner"]) == 1
    assert main(["desk-account", "ann", "--role", "owner"]) == 0


def test_without_a_complete_use_case_the_desk_says_what_to_do() -> None:
    with pytest.raises(NoUseCaseError, match="See what is missing: sixtyforty doctor"):
        serve_desk({}, 0, PublicDesk(), print)
