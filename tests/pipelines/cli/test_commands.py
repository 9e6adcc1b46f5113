"""Every command has help, examples that parse, and usage errors; an error is shown by its kind."""

from __future__ import annotations

import errno
import io
import os
import re
import shlex
from datetime import date
from pathlib import Path
from typing import Any

import fsspec
import pytest
import typer

from pipelines.cli import renamed
from pipelines.cli.app import command_objects
from pipelines.cli.commands import PANELS
from pipelines.cli.exit_codes import FAILED
from pipelines.settings import ROOT
from sixtyforty.workspace import Workspace
from tests.helpers import WITH_RESPONSES, make_use_case
from tests.pipelines.cli.conftest import decide_days, use_workspace
from tests.pipelines.conftest import CliRun, RunCli

UNREACHABLE = "postgresql+psycopg2://ann:geheim@127.0.0.1:1/x"
RUN = "run flight_delays --from 2013-06-12 --to 2013-06-12"

COMMANDS = command_objects()
NAMES = {
    *("demo", "new", "rename", "remove", "check", "compare-rows", "quarantine", "land-demo-data"),
    *("build-or-buy", "vendor-extract"),
    *(
        "run",
        "plan",
        "adopt",
        "approve",
        "rollback",
        "withdraw",
        "rollout",
        "stage",
        "exactness",
        "fetch-training-data",
    ),
    *("decisions", "explain", "champion", "replay", "impact", "holdout", "portfolio", "model-record", "knowledge"),
    *("acceptance", "answer", "simulate-responses", "training", "add-finding", "digest", "desk-account"),
    *("doctor", "watch", "ui", "desk", "up", "down", "drill", "backup", "restore-backup", "verify", "rotate-seals"),
    "webhook",
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


def check_environment_failure(finished: CliRun, *texts: str) -> None:
    """Check that a command ended with one line on stderr, which contains the texts and no password."""
    assert finished.code == FAILED, finished.err
    assert (finished.out, len(finished.err.splitlines())) == ("", 1)
    for text in texts:
        assert text in finished.err
    assert "geheim" not in finished.err


def test_an_unreachable_database_is_named_without_its_password(
    run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIXTYFORTY_DATABASE_URL", UNREACHABLE)
    for options in ("", " --debug"):
        monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery staple\n"))
        finished = run_cli(f"desk-account ann --role decider{options}")
        if options:
            assert finished.code == FAILED
            assert "Traceback" in finished.err
            assert "geheim" not in finished.err
        else:
            check_environment_failure(finished, "ann:***@127.0.0.1:1/x can't be used", "Connection refused")


def test_simulated_responses_need_a_database(
    run_cli: RunCli, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_case = make_use_case(tmp_path / "use_case", **WITH_RESPONSES)
    ws = Workspace(use_case, home, f"sqlite:///{home / 'data' / 'deliveries.sqlite'}")
    decide_days(ws, [date(2013, 4, 2)])
    use_workspace(monkeypatch, Workspace(use_case, home, UNREACHABLE))
    finished = run_cli("simulate-responses calls_in_time --from 2013-04-02 --to 2013-04-02")
    check_environment_failure(finished, "ann:***@127.0.0.1:1/x can't be used", "Connection refused")


def test_an_unreachable_object_store_is_named(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "SIXTYFORTY_LAKE": "s3://nobucket/x",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "geheim",
    }
    for name, setting in environment.items():
        monkeypatch.setenv(name, setting)
    fsspec.filesystem("s3").clear_instance_cache()  # the cache ignores the environment
    finished = run_cli("impact flight_delays")
    fsspec.filesystem("s3").clear_instance_cache()
    check_environment_failure(finished, "s3://nobucket/x/", "Could not connect", "Check that the bucket")


@pytest.mark.parametrize("line", [RUN, "backup --to {folder}/backup", "land-demo-data flight_delays", "up"])
@pytest.mark.parametrize(("place", "cure"), [("/proc/nope", "another folder"), ("{folder}/file", "Move that file")])
def test_a_home_that_can_not_be_created_is_named(
    line: str, place: str, cure: str, run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    home = place.format(folder=tmp_path)
    monkeypatch.setenv("SIXTYFORTY_HOME", home)
    check_environment_failure(run_cli(line.format(folder=tmp_path)), home, "can't be used", cure)


@pytest.mark.parametrize("line", [RUN, "new market_tents", "backup --to {folder}/backup"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_folder_that_can_not_be_written_is_named(
    line: str, number: int, run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = os.open

    def refuse(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number), str(path))
        return open_file(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    finished = run_cli(line.format(folder=tmp_path))
    check_environment_failure(finished, "can't be used", os.strerror(number))
    assert not (ROOT / "pipelines" / "use_cases" / "market_tents").exists()
