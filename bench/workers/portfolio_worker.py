"""Open the desk's portfolio of all use cases in the current folder. Print the seconds of each answer as JSON.

    python -m bench.workers.portfolio_worker STARTS

The desk is started several times. The first start calculates every line of the portfolio, unless an earlier process has
stored it. After each start, the portfolio is opened twice.
"""

from __future__ import annotations

import json
import secrets
import sys
import time

from starlette.testclient import TestClient

PERSON = "bench"


def main() -> None:
    """Print `use_cases`, their number, and for each start the seconds of the first and of the second answer."""
    from desk import accounts, sessions, tables
    from desk.app import build_app
    from desk.roles import PAGES_OF_ROLE, Grant
    from pipelines.authoring import catalog
    from pipelines.settings import prepare_dagster_home
    from sixtyforty.reports.portfolio_cache import forget_lines
    from sixtyforty.spec.clock import now

    settings = prepare_dagster_home()
    workspaces = catalog.load_workspaces().complete
    database = tables.open_database(settings.database_url)
    tables.create_tables(database)
    accounts.save_account(database, PERSON, [Grant(role) for role in PAGES_OF_ROLE], secrets.token_urlsafe(16))
    with database.begin() as connection:
        token = sessions.open_session(connection, PERSON, sessions.Client("127.0.0.1", "bench"), now())
    starts = []
    for _ in range(int(sys.argv[1])):
        forget_lines()
        with TestClient(
            build_app(workspaces, database), base_url="http://127.0.0.1", cookies={"desk": token}
        ) as client:
            starts.append([_time_request(client) for _ in range(2)])
    print("\n" + json.dumps({"use_cases": len(workspaces), "starts": starts}))


def _time_request(client: TestClient) -> float:
    started = time.perf_counter()
    page = client.get("/portfolio")
    duration = time.perf_counter() - started
    if page.status_code != 200:
        raise SystemExit(f"/portfolio answered with the status {page.status_code}: {page.text[:300]}")
    return duration


if __name__ == "__main__":
    main()
