"""Every command has help, examples that parse, and usage errors; an error is shown by its kind."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer

from pipelines.cli import renamed
from pipelines.cli.app import command_objects
from pipelines.cli.commands import PANELS
from tests.pipelines.conftest import RunCli

COMMANDS = command_objects()
NAMES = {
    *("demo", "new", "land-demo-data", "build-or-buy", "vendor-extract"),
    *("run", "adopt", "approve", "rollback", "rollout", "stage", "fetch-training-data"),
    *("decisions", "explain", "champion", "replay", "impact", "holdout", "portfolio", "model-record", "knowledge"),
    *("acceptance", "simulate-responses", "training", "add-finding", "digest", "desk-account"),
    *("doctor", "watch", "ui", "desk", "up", "down", "drill", "backup", "restore-backup"),
}


def examples(command: Any) -> list[str]:
    """Return the example lines at the end of a command's help."""
    return [line.strip() for line in command.epilog.split("\n\n")[1:]]


def test_the_help_lists_every_command_in_its_panel(run_cli: RunCli) -> None:
    finished = run_cli("--help")
    assert finished.code == 0
    assert set(COMMANDS) == NAMES
    positions = [finished.out.index(panel) for panel in PANELS]
    assert positions == sorted(positions)
    for name, command in COMMANDS.items():
        panel = PANELS.index(command.rich_help_panel)
        line = re.search(rf"^│ {name} +(\S.*)│$", finished.out, re.M)
        assert line, name
        end = positions[panel + 1] if panel + 1 < len(PANELS) else len(finished.out)
        assert positions[panel] < line.start() < end, name


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_command_has_help_with_examples(name: str, run_cli: RunCli) -> None:
    finished = run_cli(f"{name} --help")
    assert (finished.code, finished.err) == (0, "")
    assert f"sixtyforty {name}" in finished.out
    assert "--json" in finished.out and "--debug" in finished.out
    assert len(COMMANDS[name].help.split()) > 3
    assert examples(COMMANDS[name])
    for example in examples(COMMANDS[name]):
        assert example in finished.out


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_example_parses(name: str) -> None:
    for example in examples(COMMANDS[name]):
        program, command_name, *arguments = shlex.split(example)
        assert (program, command_name) == ("sixtyforty", name)
        COMMANDS[name].make_context(name, arguments, parent=typer.Context(COMMANDS[name]))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "impcat",
        "impact",
        "impact flight_delays --tarck live",
        "impact flight_delays --track past",
        "decisions flight_delays",
        "decisions flight_delays --date christmas",
        "champion flight_delays --date 2013-13-01",
        "run flight_delays",
        "run flight_delays --from 2013-06-01 --to 2013-06-02 --partitions-per-run 0",
    ],
)
def test_wrong_usage_is_exit_code_2_with_the_usage(line: str, run_cli: RunCli) -> None:
    finished = run_cli(line)
    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith("Usage: sixtyforty")


def test_a_misspelt_command_gets_a_suggestion(run_cli: RunCli) -> None:
    assert "Did you mean 'impact'?" in run_cli("impcat").err


@pytest.mark.parametrize("old", sorted(renamed.COMMANDS))
def test_an_old_command_names_the_new_one(old: str, run_cli: RunCli) -> None:
    finished = run_cli(f"{old} flight_delays")
    assert finished.code == 2
    assert f"The command '{old}' was renamed. Use {renamed.COMMANDS[old]}." in finished.err
    assert old not in COMMANDS
    assert renamed.COMMANDS[old].partition(",")[0] in COMMANDS


@pytest.mark.parametrize(("command", "old"), sorted(renamed.OPTIONS))
def test_an_old_option_names_the_new_one(command: str, old: str, run_cli: RunCli) -> None:
    new = renamed.OPTIONS[command, old]
    for line in (f"{command} {old}", f"{command} {old}=1"):
        finished = run_cli(line)
        assert finished.code == 2
        assert f"The option {old} was renamed. Use {new}." in finished.err
    options = {option for parameter in COMMANDS[command].params for option in parameter.opts}
    assert new in options and old not in options


def test_an_error_is_one_line_and_with_debug_a_traceback(run_cli: RunCli) -> None:
    line = "impact flight_delay"
    message = "sixtyforty: There is no use case"
    finished = run_cli(line)
    assert (finished.code, finished.out, len(finished.err.splitlines())) == (1, "", 1)
    assert finished.err.casefold().startswith(message.casefold())
    debugged = run_cli(f"{line} --debug")
    assert debugged.code == 1
    assert debugged.err.startswith("Traceback")
    assert debugged.err.endswith(finished.err)


def test_with_json_an_error_is_json_too(run_cli: RunCli) -> None:
    finished = run_cli("impact flight_delay --json")
    assert finished.code == 1
    assert f"sixtyforty: {finished.answer['error']}\n" == finished.err


def test_any_other_error_is_a_bug_with_its_traceback(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("pipelines.authoring.catalog.open_workspace", fail)
    finished = run_cli("impact flight_delays --json")
    assert (finished.code, finished.out) == (70, "")
    assert finished.err.startswith("Traceback")
    assert "a fault of ours" in finished.err
    assert "Please report it" in finished.err.splitlines()[-1]
