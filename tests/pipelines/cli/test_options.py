"""The shared options: completion of use cases, and the user as the default of --by."""

from __future__ import annotations

import getpass
from typing import Any

import pytest

from pipelines.authoring import catalog
from pipelines.cli import options
from pipelines.cli.app import command_objects, main
from pipelines.cli.exit_codes import USAGE

TIME_OPTIONS = [
    (command, option)
    for command, declared in command_objects().items()
    for option in declared.params
    if option.metavar in ("DATE", "TIME")
]
PLACEHOLDERS = {"DATE": "2013-06-01", "TIME": "2013-06-01", "USE_CASE": "flight_delays"}


def test_use_cases_are_completed_by_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "list_use_cases", lambda: ["calls_in_time", "cafe", "tents"])
    assert options._use_cases("ca") == ["calls_in_time", "cafe"]
    assert options._use_cases("") == ["calls_in_time", "cafe", "tents"]


def test_by_defaults_to_the_user() -> None:
    assert options.current_user() == getpass.getuser()


def required_arguments(command: str, left_out: str) -> list[str]:
    """Return the required arguments and options of a command, except for one option."""
    texts: list[str] = []
    for option in command_objects()[command].params:
        if option.required and option.name != left_out:
            texts += [*option.opts[:1]] if option.opts[0].startswith("--") else []
            texts.append(PLACEHOLDERS.get(option.metavar, "x"))
    return texts


@pytest.mark.parametrize(("command", "option"), TIME_OPTIONS, ids=[f"{c} {o.opts[0]}" for c, o in TIME_OPTIONS])
@pytest.mark.parametrize("text", ["2013-02-30", "christmas", "1370044800", "", "2013-06-01T25:00", "2013-06-01 x"])
def test_a_wrong_day_or_time_is_one_line_that_names_the_option(
    command: str, option: Any, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = option.opts[0]
    assert main([command, *required_arguments(command, option.name), name, text]) == USAGE
    printed, kind = capsys.readouterr(), {"DATE": "a day", "TIME": "a UTC time"}[option.metavar]
    assert printed.out == ""
    assert printed.err.startswith(f"sixtyforty: {name} is '{text}', expected {kind}. Write it as 2013-06-02")
    assert printed.err.count("\n") == 1


def test_every_option_of_days_or_times_is_tested() -> None:
    assert {"run --from", "run --to", "run --as-of", "decisions --date", "digest --date"} <= {
        f"{command} {option.opts[0]}" for command, option in TIME_OPTIONS
    }
