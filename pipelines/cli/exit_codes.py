"""Exit codes of the `sixtyforty` command."""

from __future__ import annotations

SUCCESS = 0
FAILED = 1
USAGE = 2
SIGNIFICANT = 3
INTERNAL_ERROR = 70
INTERRUPTED = 130
TERMINATED = 143

MEANINGS = {
    SUCCESS: "The command did what you asked.",
    FAILED: "The command was refused or failed. The message says why and what to do next.",
    USAGE: "The command, an option or an argument is wrong. The message names the mistake.",
    SIGNIFICANT: "`sixtyforty plan`: the command succeeded, but a figure of the replay would lose its significance.",
    INTERNAL_ERROR: "A fault in sixtyforty itself. Report the traceback.",
    INTERRUPTED: "You pressed Ctrl-C.",
    TERMINATED: "Another process ended the command with SIGTERM.",
}


def after_signal(number: int) -> int:
    """Return the exit code of a command that a signal has ended, as shells have it."""
    return 128 + number
