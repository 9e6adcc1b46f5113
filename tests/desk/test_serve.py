"""The desk by command: it starts, says where it is and who may come in, and keeps to this machine."""

from __future__ import annotations

import io
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from desk import accounts, tables
from desk.roles import MAY
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


def start(*words: str) -> tuple[subprocess.Popen[str], list[str]]:
    """The desk, and what it said up to its address."""
    command = [sys.executable, "-m", "pipelines.cli", "desk", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line.strip())
        if line.startswith("The desk: "):
            break
    return process, said


@pytest.mark.e2e
def test_the_first_start_makes_accounts_and_says_where_it_is(home: Path) -> None:
    process, said = start("--port", "0")
    try:
        address = said[-1].removeprefix("The desk: ")
        made = [re.fullmatch(r"Account made: (\w+), password (\S{16}) \(shown this once\)", s) for s in said[:-1]]
        assert [m and m[1] for m in made] == list(MAY)
        for found in made:
            assert found is not None
            one = Person(httpx.Client(base_url=address, timeout=60))
            assert one.log_in(found[1], found[2]).status_code == 303
            assert "Log out" in one.get(MAY[found[1]][0]).text
            one.client.close()
        listening = [c.laddr for c in psutil.Process(process.pid).net_connections() if c.status == "LISTEN"]
        assert [f"http://{a.ip}:{a.port}" for a in listening] == [address]
        assert main(["desk", "--port", address.rpartition(":")[2]]) == 1  # two can't share it
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in err and "password" not in out + err
    stored = (home / "data" / "deliveries.sqlite").read_bytes()
    assert all(m is not None and m[2].encode() not in stored for m in made)


@pytest.mark.e2e
def test_a_later_start_makes_no_accounts_and_knows_its_proxy(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tables.engine(load_settings().database_url)
    tables.prepare(database)
    accounts.put(database, "ann", "owner", PASSWORD)
    accounts.remove(database, "ann")  # who removes all accounts doesn't get those of the first start back
    monkeypatch.setenv("SIXTYFORTY_DESK_URL", "https://desk.example")
    process, said = start("--port", "0")
    try:
        assert len(said) == 1
        here, _, there = said[0].removeprefix("The desk: ").partition(", for others ")
        assert there == "https://desk.example"
        page = httpx.get(here, headers={"Host": "desk.example"}, timeout=60)
        assert page.status_code == 200 and "Secure" in page.headers["set-cookie"]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_an_address_that_is_none_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIXTYFORTY_DESK_URL", "desk.example")
    assert main(["desk", "--port", "0"]) == 1
    assert "SIXTYFORTY_DESK_URL is no address such as https://desk.example" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert main(["desk", "--port", str(other.getsockname()[1])]) == 1
    assert "choose another with --port" in capsys.readouterr().err
    assert not (home / "data" / "deliveries.sqlite").exists()  # no accounts whose passwords nobody saw


def test_accounts_are_made_changed_and_removed_by_command(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str, typed: str = "") -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = main(["desk-account", *words])
        return code, "".join(capsys.readouterr())

    assert run("ann", "--role", "expert", typed=PASSWORD + "\n") == (0, "account ann (expert) made\n")
    assert run("ann", "--role", "owner", typed=PASSWORD) == (0, "account ann (owner) changed; its sessions are ended\n")
    code, said = run("ann", "--role", "boss", typed=PASSWORD)
    assert code == 1 and "there are: decider, expert, owner, auditor" in said
    code, said = run("ann", "--role", "owner", typed="short\n")
    assert code == 1 and "12 to 256 characters" in said and "short" not in said
    assert run("ann", "--remove") == (0, "ann has no account any more\n")
    assert run("ann", "--remove")[0] == 1
    with pytest.raises(SystemExit):
        run("ann")


def test_a_password_at_the_keyboard_is_typed_twice(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Keyboard())
    typed = iter([PASSWORD, PASSWORD + "x", PASSWORD, PASSWORD])
    monkeypatch.setattr("pipelines.cli.desk.getpass", lambda prompt: next(typed))
    assert main(["desk-account", "ann", "--role", "owner"]) == 1
    assert main(["desk-account", "ann", "--role", "owner"]) == 0
