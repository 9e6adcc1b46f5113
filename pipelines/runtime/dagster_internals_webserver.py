"""Hold the private names of Dagster's web server that this project uses. See `dagster_internals` for all others."""

from __future__ import annotations

from typing import Any

from starlette.middleware import Middleware


def put_middleware_first(middleware: Middleware) -> None:
    """Put ASGI middleware before every HTTP request and WebSocket of the web servers that this process starts.

    Purpose: guard Dagster's pages, for which Dagster has no setting. If Dagster removes `build_middleware`: start
    uvicorn with the application of `create_app_from_workspace_process_context`.
    """
    from dagster_webserver.webserver import DagsterWebserver

    build_middleware = DagsterWebserver.build_middleware

    def build_with_middleware(self: Any) -> list[Middleware]:
        return [middleware, *build_middleware(self)]

    DagsterWebserver.build_middleware = build_with_middleware  # type: ignore[method-assign]
