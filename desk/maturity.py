"""How far the use cases have come, for everybody who works with them."""

from __future__ import annotations

from starlette.responses import Response

from desk.web import Asked
from sixtyforty.lifecycle import maturity as of


def maturity(asked: Asked) -> Response:
    """All use cases of the desk."""
    return asked.page("maturity.html", **of.facts(list(asked.desk.workspaces.values())))
