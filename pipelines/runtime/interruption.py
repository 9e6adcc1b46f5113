"""Notice the signals that interrupt this process, and report a run or a command as interrupted.

Dagster sets signal handlers of its own while a run executes, and DuckDB swallows the exceptions that they raise. So
this process learns of signals from a wakeup file descriptor, which neither of them changes.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sixtyforty.spec.errors import InterruptedRunError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def report_interruption(subject: str, advice: str = "") -> Iterator[None]:
    """Raise InterruptedRunError at the end of the block if SIGTERM or Ctrl-C has made the block fail.

    A block that succeeds nevertheless was complete already. Threads other than the main thread get no signals.
    subject: what is interrupted, such as `The command`. advice: what to do next, for the error.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    previous = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    except SystemExit:
        raise
    except BaseException as error:
        if number := next((number for number in _read_signals(reading) if number in SIGNALS), None):
            text = f"{subject} was interrupted by {signal.Signals(number).name}. {advice}"
            raise InterruptedRunError(text.rstrip(), number) from error
        raise
    finally:
        signal.set_wakeup_fd(previous)
        os.close(reading)
        os.close(writing)


def _read_signals(reading: int) -> bytes:
    try:
        return os.read(reading, 1 << 16)
    except BlockingIOError:
        return b""
