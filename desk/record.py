"""The model record on the desk: what was tried, found and decided, to be read and searched."""

from __future__ import annotations

import re

import mistune
from markupsafe import Markup
from starlette.responses import Response

from desk.web import Asked, Problem

MARKDOWN = mistune.create_markdown(escape=True, plugins=["table"])


def record(asked: Asked) -> Response:
    """The record, or those of its sections in which each word occurs."""
    path = asked.ws.reports / "model_record.md"
    if not path.exists():
        raise Problem(404, "No model record yet", "It is written when the first model has been judged.")
    words = asked.query.get("q", "").casefold().split()[:10]
    every = sections(path.read_text())
    found = [s for s in every if all(w in s.casefold() for w in words)]
    return asked.page("record.html", words=" ".join(words), found=[rendered(s) for s in found], every=len(every))


def sections(text: str) -> list[str]:
    """Markdown cut before each heading of the first or second order."""
    return [s for s in re.split(r"^(?=##? )", text, flags=re.MULTILINE) if s.strip()]


def rendered(markdown: str) -> Markup:
    """Markdown as HTML: HTML within it is shown as text, and links that would run something lead nowhere."""
    return Markup(MARKDOWN(markdown))
