"""The command as a process: it ends with its code, after its threads and exit handlers; and it starts fast."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines.cli import app
from pipelines.settings import ROOT
from tests.pipelines.conftest import CliRun

HEAVY = ("dagster", "pandas", "sklearn", "duckdb", "great_expectations", "sqlalchemy", "sixtyforty.workspace")


def installed(line: str) -> CliRun:
    """Run the installed command in a process of its own."""
    program = str(Path(sys.executable).with_name("sixtyforty"))
    process = subprocess.run([program, *shlex.split(line)], capture_output=True, text=True, cwd=ROOT, env=os.environ)
    return CliRun(process.returncode, process.stdout, process.stderr)


@pytest.mark.parametrize(
    ("line", "code", "text"),
    [("--help", 0, "Usage: sixtyforty"), ("impcat", 2, ""), ("decisions nowhere --date 2013-06-01 --json", 1, "error")],
)
def test_it_ends_with_its_code_after_threads_and_exit_handlers(line: str, code: int, text: str) -> None:
    program = f"""
import atexit, sys, threading
from pipelines.cli import app
sys.argv, run = ["sixtyforty", *{line.split()}], app.main
def main():
    atexit.register(print, "exit handler ran")
    threading.Thread(target=lambda: (threading.main_thread().join(), print("thread ended"))).start()
    return run()
app.main = main
app.command()
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert process.returncode == code
    assert text in process.stdout
    assert process.stdout.endswith("thread ended\nexit handler ran\n")


def test_the_commands_load_without_heavy_libraries() -> None:
    program = f"import sys, pipelines.cli.app; print([name for name in {HEAVY} if name in sys.modules])"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert process.stdout == "[]\n"


def test_the_installed_command_ends_likewise(home: Path) -> None:
    finished = installed("impact flight_delay")
    assert (finished.code, finished.out) == (1, "")
    assert "did you mean flight_delays?" in finished.err.casefold()


def test_shell_completion_completes_commands_and_use_cases(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_SIXTYFORTY_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "sixtyforty restore")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert installed("").out.split() == ["restore-backup"]
    monkeypatch.setenv("COMP_WORDS", "sixtyforty impact fli")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert installed("").out.split() == ["flight_delays"]


@pytest.mark.parametrize("variables", [{}, {"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}, {"LANG": "C"}])
def test_text_is_utf8_in_every_locale(variables: dict[str, str], tmp_path: Path) -> None:
    home = tmp_path / "Bücher und Ämter"
    program = str(Path(sys.executable).with_name("sixtyforty"))
    environment = {"PATH": os.environ["PATH"], "SIXTYFORTY_HOME": str(home), **variables}
    line = ["land-demo-data", "household_offers", "--from", "2017-01-01", "--to", "2017-01-02"]
    process = subprocess.run([program, *line], capture_output=True, cwd=ROOT, env=environment, check=False)
    assert process.returncode == 0, process.stderr
    assert f"in {home}/data/landing" in process.stdout.decode()


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "B\\xfccher"), ("latin-1", "B\xfccher")])
def test_a_character_that_the_output_cannot_hold_is_escaped(encoding: str, shown: str, tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "SIXTYFORTY_HOME": str(tmp_path / "Bücher"),
        "PYTHONIOENCODING": encoding,
    }
    line = ["land-demo-data", "household_offers", "--from", "2017-01-01", "--to", "2017-01-02"]
    process = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *line], capture_output=True, cwd=ROOT, env=environment, check=False
    )
    assert process.returncode == 0, process.stderr
    assert f"{shown}/data/landing" in process.stdout.decode("latin-1")


@pytest.mark.parametrize("options", [["-X", "utf8=0"], ["-E", "-X", "utf8=0"], ["-I", "-X", "utf8=0"]])
def test_text_is_utf8_even_if_python_ignores_its_environment(options: list[str], tmp_path: Path) -> None:
    """The process once started itself again for ever, because it asked for UTF-8 by an environment variable only."""
    environment = {"PATH": os.environ["PATH"], "SIXTYFORTY_HOME": str(tmp_path / "Ämter"), "LC_ALL": "C"}
    line = ["land-demo-data", "household_offers", "--from", "2017-01-01", "--to", "2017-01-02"]
    command = [sys.executable, *options, "-m", "pipelines.cli", *line]
    process = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment, check=False, timeout=120)
    assert process.returncode == 0, process.stderr
    assert f"in {tmp_path}/Ämter/data/landing" in process.stdout.decode()


def test_a_python_without_utf8_mode_is_refused_and_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.locale, "getencoding", lambda: "latin1")
    monkeypatch.setattr(app.sys, "flags", SimpleNamespace(utf8_mode=0))
    monkeypatch.setattr(app.sys, "orig_argv", ["python", "-X", "utf8", "-m", "pipelines.cli"])
    monkeypatch.setattr(app.os, "execv", lambda *_: pytest.fail("started again"))
    with pytest.raises(SystemExit, match=r"latin1.*Set LC_ALL to C\.UTF-8"):
        app.command()


@pytest.mark.e2e
def test_a_run_prints_its_id_and_no_library_messages(home: Path) -> None:
    """DuckDB once printed sixty lines about leaks after Great Expectations was loaded in the same process."""
    assert installed("land-demo-data flight_delays --from 2013-06-12 --to 2013-06-12").code == 0
    line = "run flight_delays --from 2013-06-12 --to 2013-06-12 --select raw/airlines,validated/airlines"
    finished = installed(line)
    assert finished.code == 0
    assert re.fullmatch(r"Run [0-9a-f-]{36} succeeded\.", finished.out.splitlines()[-1])
    assert "leaked" not in finished.err


@pytest.mark.parametrize("options", ["", f"--model {'0' * 16} --to there"])
def test_nothing_can_be_fetched_before_anything_was_published(options: str, home: Path) -> None:
    finished = installed(f"fetch-training-data flight_delays {options} --json")
    assert finished.code == 1
    assert finished.answer["error"]
    assert "Traceback" not in finished.err


def test_a_remote_that_is_gone_is_an_error_without_a_traceback(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointers = tmp_path / "remote" / "sixtyforty" / "pointers.json"
    pointers.parent.mkdir(parents=True)
    lost = "outs:\n- md5: 0123456789abcdef0123456789abcdef\n  size: 1\n  hash: md5\n  path: recipe.json\n"
    pointers.write_text(json.dumps({"data/recipe/flight_delays/recipe.json.dvc": lost}))
    monkeypatch.setenv("SIXTYFORTY_DVC_REMOTE", str(tmp_path / "remote"))
    finished = installed("fetch-training-data flight_delays --json")
    assert finished.code == 1
    assert finished.answer["error"]
    assert "Traceback" not in finished.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_whose_query_a_signal_ends_was_interrupted(
    number: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DuckDB raises a RuntimeError then, which once was reported as a fault with its traceback."""

    def query(*_: object, **__: object) -> None:
        os.kill(os.getpid(), number)
        raise RuntimeError("Query interrupted")

    monkeypatch.setattr(app, "app", query)
    previous = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert app.main([]) == code
    finally:
        for restored, handler in previous.items():
            signal.signal(restored, handler)
    name = signal.Signals(number).name
    assert capsys.readouterr() == ("", f"sixtyforty: The command was interrupted by {name}.\n")
