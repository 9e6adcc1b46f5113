"""Open pages of the desk on the home SIXTYFORTY_HOME several times. Print the seconds of each request as JSON.

    python -m bench.workers.desk_worker REPETITIONS

One person with all roles opens the pages of the day with the most decisions. The first request of each page is printed,
too: it reads what later requests find in the cache.
"""

from __future__ import annotations

import json
import sys

from starlette.testclient import TestClient

from bench.desk_client import log_in, time_request
from bench.use_case import USE_CASE


def main() -> None:
    """Print `decisions`, the number of decisions of the shown day, and `seconds`: a list for each page, by address."""
    from desk import tables
    from desk.app import build_app
    from desk.roles import PAGES_OF_ROLE
    from pipelines.authoring import catalog
    from pipelines.settings import prepare_dagster_home
    from sixtyforty.decisions.decision_table import decisions_dataset

    prepare_dagster_home()
    ws = catalog.open_workspace(USE_CASE)
    rows = {day: entry.rows for day, entry in ws.lake.entries(decisions_dataset("replay")).items()}
    busiest = max(rows, key=lambda day: rows[day])
    database = tables.open_database(ws.database_url)
    token = log_in(database)
    addresses = list(dict.fromkeys(page for pages in PAGES_OF_ROLE.values() for page in pages))
    app = build_app({USE_CASE: ws}, database)
    seconds = {}
    with TestClient(app, base_url="http://127.0.0.1", cookies={"desk": token}) as client:
        for address in addresses:
            where = f"{address}?use_case={USE_CASE}&track=replay&date={busiest}"
            seconds[address] = [time_request(client, where) for _ in range(int(sys.argv[1]) + 1)]
    print("\n" + json.dumps({"decisions": rows[busiest], "seconds": seconds}))


if __name__ == "__main__":
    main()
