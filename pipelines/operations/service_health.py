"""Whether the services of this home work: each program runs, and each web server answers that it is healthy.

A web server answers at `/healthz` with the status 200 or 503, about itself only. The watch asks all of them.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping

from pipelines.operations.supervisor import PROGRAMS, program_states
from pipelines.settings import Settings

HEALTH = "/healthz"
ANSWER_SECONDS = 10
NO_USE_CASES = "the use cases aren't loaded: see the log of the code server"


def find_unhealthy(settings: Settings, addresses: Mapping[str, str]) -> Iterator[str]:
    """Yield the services that don't work: their program doesn't run, or their web server isn't healthy.

    addresses: the addresses of the web servers by name.
    """
    states = program_states(settings)
    yield from (program.name for program in PROGRAMS if states.get(program.name) != "RUNNING")
    yield from (f"{name} ({address})" for name, address in addresses.items() if not is_healthy(address))


def is_healthy(address: str) -> bool:
    """Return whether the web server at an address answers that it works."""
    try:
        with urllib.request.urlopen(f"{address}{HEALTH}", timeout=ANSWER_SECONDS) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def shows_use_cases(address: str) -> bool:
    """Return whether Dagster's pages answer at an address and have loaded the use cases."""
    query = json.dumps({"query": "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"})
    request = urllib.request.Request(f"{address}/graphql", query.encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:
            return bool(json.load(response)["data"]["repositoriesOrError"].get("nodes"))
    except (OSError, ValueError):
        return False
