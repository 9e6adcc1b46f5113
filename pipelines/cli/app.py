"""Run the `sixtyforty` command, and end its process with an exit code."""

from __future__ import annotations

import atexit
import io
import locale
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import typer

from pipelines.cli import (  # noqa: F401 (importing a module registers its commands)
    backups,
    build,
    decisions,
    desk,
    exit_codes,
    extracts,
    going_live,
    holdout,
    impact,
    knowledge,
    moving,
    operate,
    people,
    plan,
    portfolio,
    run,
    sourcing,
    verification,
    webhook,
)
from pipelines.cli.answer import show_error
from pipelines.cli.commands import app
from pipelines.runtime.interruption import report_interruption
from sixtyforty.spec.errors import InterruptedRunError
from sixtyforty.storage.private_logs import print_traceback

UTF8_OPTION = ["-X", "utf8"]
REPORT = "sixtyforty: This is a fault in sixtyforty, not in your input. Please report it with the traceback above."


def command_objects() -> dict[str, Any]:
    """Return typer's command objects, by the name of the command."""
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return commands


def command() -> None:
    """Run the command line, and end the process as soon as its threads and exit handlers have finished.

    After a run, Python needs up to 2 seconds to shut down the interpreter. `os._exit` saves this time.
    """
    _end_on_sigterm_as_process_1()
    _require_utf8()
    _escape_unprintable()
    codes: list[int] = []
    # Exit handlers run in reverse order of registration. This handler is registered first, so it runs last.
    atexit.register(lambda: _exit_now(*codes))
    codes.append(main())
    sys.exit(codes[0])


def _end_on_sigterm_as_process_1() -> None:
    """Let SIGTERM end this process if it is process 1 of a container, where the kernel ignores it without a handler."""
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def _require_utf8() -> None:
    """Start this process again in Python's UTF-8 mode if its locale has another encoding.

    Files, paths and output are UTF-8, whatever the locale. Processes that this one starts inherit the mode. This
    process needs the option, because Python may ignore its environment. Exit if Python ignores the option, too.
    """
    encoding = locale.getencoding()
    if sys.flags.utf8_mode or encoding.lower() in ("utf-8", "utf8"):
        return
    if sys.orig_argv[1:3] == UTF8_OPTION:
        sys.exit(f"sixtyforty: the locale's encoding is {encoding}, expected UTF-8. Set LC_ALL to C.UTF-8.")
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, *UTF8_OPTION, *sys.orig_argv[1:]])


def _escape_unprintable() -> None:
    """Print a character that the output's encoding lacks as its escape sequence, such as \\xfc.

    PYTHONIOENCODING may name a narrow encoding, and a path may hold bytes that are not UTF-8.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _exit_now(code: int | None = None) -> None:
    if code is not None:
        with suppress(BrokenPipeError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line with `arguments` (default: those of the process) and return the exit code.

    Any error that is not a SixtyfortyError is a bug. Its traceback is printed, with a request to report the bug.
    """
    try:
        with report_interruption("The command"):
            app(None if arguments is None else list(arguments), prog_name="sixtyforty")
    except InterruptedRunError as error:
        show_error(error, as_json=False)
        return exit_codes.after_signal(error.signal)
    except SystemExit as exit_request:
        return exit_request.code if isinstance(exit_request.code, int) else exit_codes.FAILED
    except Exception as error:
        print_traceback(error)
        print(REPORT, file=sys.stderr)
        return exit_codes.INTERNAL_ERROR
    return exit_codes.SUCCESS
