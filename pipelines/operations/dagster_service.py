"""Run Dagster's daemon or its code server with clean logs: `python -m pipelines.operations.dagster_service daemon run`.

The first argument is `daemon` or `code`. The others are those of `dagster-daemon` and of `dagster`.
"""

from __future__ import annotations

import logging
import sys

from pipelines.operations.code_server_wait import wait_for_code_server
from pipelines.operations.tick_lines import leave_out_repeated_ticks
from pipelines.runtime.dagster_internals_daemon import run_daemon_command, run_dagster_command

SERVICES = {"daemon": run_daemon_command, "code": run_dagster_command}
DAGSTER_LOGGERS = ("dagster", "dagster-webserver")


def log_each_line_once() -> None:
    """Keep Dagster's loggers from handing their lines to the root logger, too.

    When Dagster retries a database connection, it logs on the root logger, which then gets a handler of its own. From
    then on, each line of the process would be written twice.
    """
    for name in DAGSTER_LOGGERS:
        logging.getLogger(name).propagate = False


def main() -> None:
    """Run the service that the first argument names. A service with a workspace waits for its code server."""
    run = SERVICES[sys.argv.pop(1)]
    log_each_line_once()
    leave_out_repeated_ticks()
    wait_for_code_server(sys.argv)
    run()


if __name__ == "__main__":
    main()
