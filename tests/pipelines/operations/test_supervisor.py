"""Supervisor's configuration survives unusual paths, and refuses those that it cannot use."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from pipelines.operations.supervisor import (
    PROGRAMS,
    Ports,
    ServicesError,
    is_running,
    program_states,
    read_addresses,
    services_folder,
    ui_commands,
    write_configuration,
)
from tests.homes import use_home

PORTS = Ports(port=3000, readonly_port=3001, desk_port=3002, watch_port=3003)


def test_a_home_too_deep_for_sockets_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = use_home(monkeypatch, tmp_path / ("deep" * 30))
    with pytest.raises(ServicesError, match="Set SIXTYFORTY_HOME to a shorter path"):
        write_configuration(settings, PORTS)


def test_a_path_that_supervisor_would_expand_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = use_home(monkeypatch, tmp_path.parent / "50% home")
    with pytest.raises(ServicesError, match="%"):
        write_configuration(settings, PORTS)


def test_spaces_and_ampersands_are_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    from supervisor.options import ServerOptions

    with tempfile.TemporaryDirectory() as short:  # The path of a socket cannot be long.
        settings = use_home(monkeypatch, Path(short) / "a home & more")
        configuration = write_configuration(settings, PORTS)
        options = ServerOptions()
        options.realize(["-c", str(configuration)])
        workspace = json.loads((services_folder(settings) / "workspace.yaml").read_text())
        assert read_addresses(settings) == {
            "pages": "http://127.0.0.1:3000",
            "read_only": "http://127.0.0.1:3001",
            "desk": "http://127.0.0.1:3002",
        }
        assert not is_running(settings)
        assert program_states(settings) == {}
    assert options.umask == 0o077
    (group,) = options.process_group_configs  # All programs are in one group, so they are stopped at the same time.
    commands = {program.name: program.command for program in group.process_configs}
    assert set(commands) == {program.name for program in PROGRAMS}
    socket = f"{services_folder(settings)}/code.sock"
    assert f"'{socket}'" in commands["code"]
    assert workspace["load_from"][0]["grpc_server"]["socket"] == socket
    assert "127.0.0.1 " in commands["webserver"] and "127.0.0.1 " in commands["readonly"]
    assert commands["desk"].endswith("sixtyforty desk --port 3002")


def test_every_web_server_of_ui_and_up_is_guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = use_home(monkeypatch, tmp_path)
    commands = ui_commands(settings, 3010)
    assert commands.keys() == {"code", "webserver", "daemon"}
    assert commands["webserver"][1:3] == ["-m", "pipelines.operations.guarded_webserver"]
    assert "127.0.0.1" in commands["webserver"] and "3010" in commands["webserver"]
    dagster_pages = [program for program in PROGRAMS if "-p {" in program.command]
    assert len(dagster_pages) == 2
    assert all("pipelines.operations.guarded_webserver" in program.command for program in dagster_pages)
