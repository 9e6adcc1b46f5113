"""`/healthz`: whether a web server of the project works, as programs ask. The desk's page is open to every visitor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse

from desk.tables import ACCOUNTS
from sixtyforty.storage.databases import DatabaseError


def health_response(problems: Sequence[str]) -> JSONResponse:
    """Return the answer to a program: the status 200 without problems, otherwise 503 with the problems as clauses."""
    return JSONResponse({"ok": not problems, "problems": [*problems]}, status_code=503 if problems else 200)


def health_page(database: sa.Engine) -> Callable[[Request], JSONResponse]:
    """Return the page of the desk. It names no details, because any visitor can open it."""

    def show_health(_: Request) -> JSONResponse:
        try:
            with database.connect() as connection:
                connection.execute(sa.select(ACCOUNTS.c.name).limit(1))
        except (DatabaseError, sa.exc.SQLAlchemyError):
            return health_response(["the database of the desk can't be read"])
        return health_response([])

    return show_health
