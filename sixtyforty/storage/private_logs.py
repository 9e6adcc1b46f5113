"""Keep log lines and tracebacks of a process free of the passwords that URLs may hold."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any

from sixtyforty.spec.shown_url import hide_passwords


class ShownRecord(logging.LogRecord):
    """A log record whose message and traceback show no password of a URL."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.exc_info and self.exc_info[1]:
            written = "".join(traceback.format_exception(self.exc_info[1])).rstrip("\n")
            shown = hide_passwords(written)
            if shown != written:  # a formatter would write the traceback itself
                self.msg, self.args, self.exc_info = f"{super().getMessage()}\n{shown}", (), None

    def getMessage(self) -> str:
        """Return the message with its arguments filled in."""
        return hide_passwords(super().getMessage())


def use_private_logs() -> None:
    """Let this process hide the passwords of URLs in its log lines, and in the traceback of an unexpected error."""
    logging.setLogRecordFactory(ShownRecord)
    sys.excepthook = lambda _, error, __: print_traceback(error)


def print_traceback(error: BaseException) -> None:
    """Print the traceback of an error to stderr, without the passwords of URLs."""
    print(hide_passwords("".join(traceback.format_exception(error))), end="", file=sys.stderr)
