"""Run Dagster's web server with the project's own pages, behind the guard that refuses requests of other websites.

`python -m pipelines.operations.guarded_webserver` takes the arguments of `dagster-webserver`. Every port that serves
Dagster's pages runs this module: `make ui`, and both web servers of `make up`.
"""

from __future__ import annotations

import sys
from urllib.parse import parse_qsl

from starlette.middleware import Middleware

from desk.request_guard import Refusal, RequestGuard, WebRequest
from pipelines.operations.code_server_wait import wait_for_code_server
from pipelines.operations.dagster_service import log_each_line_once
from pipelines.operations.project_pages import ProjectPages
from pipelines.runtime.dagster_internals_webserver import end_partitions_at_their_end, put_middleware_first
from pipelines.settings import load_settings

REPORT_HEADER = "sixtyforty-report"  # A page of another website can't send a header of this kind without permission.
NO_MUTATION_BY_GET = "Refused: a GET request must not change anything. Send the GraphQL mutation by POST, as JSON."
HEADER_MISSING = (
    f"Refused: a report of an asset needs the header '{REPORT_HEADER}'. Its text names the program that reports."
)


def refuse_unsafe_call(request: WebRequest) -> Refusal | None:
    """Return why Dagster's web server refuses a request: a mutation by GET, or a report without REPORT_HEADER."""
    if request.path.startswith("/report_") and not request.headers.get(REPORT_HEADER):
        return Refusal(403, HEADER_MISSING)
    if request.method == "GET" and request.path == "/graphql" and not _only_queries(request.query):
        return Refusal(405, NO_MUTATION_BY_GET)
    return None


def _only_queries(url_query: str) -> bool:
    """Return whether the GraphQL of an address only queries. Dagster itself refuses invalid GraphQL."""
    from graphql import GraphQLSyntaxError, OperationDefinitionNode, OperationType, parse

    documents = [text for name, text in parse_qsl(url_query, keep_blank_values=True) if name == "query"]
    try:
        nodes = [node for document in documents for node in parse(document).definitions]
    except GraphQLSyntaxError:
        return True
    operations = [node.operation for node in nodes if isinstance(node, OperationDefinitionNode)]
    return all(operation is OperationType.QUERY for operation in operations)


def main() -> None:
    """Run `dagster-webserver` with the arguments of this process, behind the guard.

    The read-only pages are for more people than the pages of the engineers, so they show no rows.
    """
    from dagster_webserver.cli import main as run_webserver

    end_partitions_at_their_end()
    put_middleware_first(Middleware(ProjectPages, shows_rows="--read-only" not in sys.argv))
    put_middleware_first(Middleware(RequestGuard, hosts=load_settings().pages_hosts, rule=refuse_unsafe_call))
    log_each_line_once()
    wait_for_code_server(sys.argv)
    run_webserver()


if __name__ == "__main__":
    main()
