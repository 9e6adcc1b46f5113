"""Open the desk's portfolio of all use cases in the current folder. Print the seconds of each answer as JSON.

    python -m bench.workers.portfolio_worker STARTS

The desk is started several times. The first start calculates and stores every line of the portfolio. After each start,
the portfolio is opened twice. Before the first start, the manifest indexes are brought up to date, as by runs.
"""

from __future__ import annotations

import json
import sys
import time

from starlette.testclient import TestClient

from bench.desk_client import log_in, time_request

SETTLING_SECONDS = 2  # a line is stored only if nothing has changed within the last second


def main() -> None:
    """Print `use_cases`, their number, and for each start the seconds of the first and of the second answer."""
    from desk import tables
    from desk.app import build_app
    from pipelines.authoring import catalog
    from pipelines.settings import prepare_dagster_home
    from sixtyforty.reports.portfolio import build_portfolio
    from sixtyforty.reports.portfolio_cache import FILE, forget_lines

    settings = prepare_dagster_home()
    workspaces = catalog.load_workspaces().complete
    database = tables.open_database(settings.database_url)
    token = log_in(database)
    build_portfolio(list(workspaces.values()))
    for ws in workspaces.values():
        (ws.cache / FILE).unlink(missing_ok=True)
    time.sleep(SETTLING_SECONDS)
    starts = []
    for _ in range(int(sys.argv[1])):
        forget_lines()
        with TestClient(
            build_app(workspaces, database), base_url="http://127.0.0.1", cookies={"desk": token}
        ) as client:
            starts.append([time_request(client, "/portfolio") for _ in range(2)])
    print("\n" + json.dumps({"use_cases": len(workspaces), "starts": starts}))


if __name__ == "__main__":
    main()
