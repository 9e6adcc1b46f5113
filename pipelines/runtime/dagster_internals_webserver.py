"""Hold the private names of Dagster's web server that this project uses. See `dagster_internals` for all others."""

from __future__ import annotations

from typing import Any

from dagster._core.definitions.partitions.context import PartitionLoadingContext
from dagster._core.definitions.partitions.definition import TimeWindowPartitionsDefinition
from dagster._time import datetime_from_timestamp
from starlette.middleware import Middleware


def put_middleware_first(middleware: Middleware) -> None:
    """Put ASGI middleware before every HTTP request and WebSocket of the web servers that this process starts.

    Middleware that is put first later gets each request earlier.

    Purpose: guard Dagster's pages, for which Dagster has no setting. If Dagster removes `build_middleware`: start
    uvicorn with the application of `create_app_from_workspace_process_context`.
    """
    from dagster_webserver.webserver import DagsterWebserver

    build_middleware = DagsterWebserver.build_middleware

    def build_with_middleware(self: Any) -> list[Middleware]:
        return [middleware, *build_middleware(self)]

    DagsterWebserver.build_middleware = build_with_middleware  # type: ignore[method-assign]


def end_partitions_at_their_end() -> None:
    """Let Dagster's query of the newest partitions start at the last declared partition, not at today's date.

    Purpose: the plots by partition ask for the newest 100 partitions. Dagster 1.13 counts them back from today also if
    `end_date` is long past, so it plots partitions that don't exist. If Dagster removes the method, or heeds
    `end_date`: delete this function.
    """
    paginate = TimeWindowPartitionsDefinition.get_paginated_partition_keys

    def paginate_up_to_end(
        self: TimeWindowPartitionsDefinition, context: PartitionLoadingContext, *arguments: Any, **options: Any
    ) -> Any:
        last = self.end_timestamp
        if last is not None and last < context.effective_dt.timestamp():
            context = context.updated(datetime_from_timestamp(last), None)
        return paginate(self, context, *arguments, **options)

    TimeWindowPartitionsDefinition.get_paginated_partition_keys = paginate_up_to_end  # type: ignore[method-assign]
