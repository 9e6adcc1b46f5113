"""The model record on the desk: what was tried, found and decided, to be read and searched."""

from __future__ import annotations

import mistune
from markupsafe import Markup
from starlette.responses import Response

from desk.web import Asked, Problem
from sixtyforty.record import search, versions

# HTML within the Markdown is shown as text, and links that would run something lead nowhere.
MARKDOWN = mistune.create_markdown(escape=True, plugins=["table"])


def record(asked: Asked) -> Response:
    """The newest record of the track or, of all records and findings there are, what holds the words asked for."""
    have, words = versions(asked.ws, asked.track), asked.query.get("q", "").strip()
    if words:
        hits = [(hit, lines(hit.text)) for hit in search(asked.ws, words)]
        return asked.page("record.html", words=words, hits=hits)
    if not have:
        raise Problem(404, "No model record yet", "It is written when the first model has been judged.")
    return asked.page("record.html", words="", number=len(have), text=rendered(have[-1].read_text()))


def rendered(markdown: str) -> Markup:
    """Markdown as HTML that needs no style of its own; what is wide can be scrolled by keyboard too."""
    frame = '<div class="wide" tabindex="0" role="region" aria-label="Table {}">'
    html = str(MARKDOWN(markdown)).replace(' style="text-align:', ' class="').replace("<pre>", '<pre tabindex="0">')
    before, *tables = html.split("<table>")
    framed = [f"{frame.format(i + 1)}<table>{t.replace('</table>', '</table></div>', 1)}" for i, t in enumerate(tables)]
    return Markup(before + "".join(framed))


def lines(markdown: str) -> list[str]:
    """Lines of Markdown without its signs: a table's row reads as a sentence."""
    bare = (line.strip("|>#*- ").replace("|", "·").replace("`", "") for line in markdown.splitlines())
    return [line for line in bare if line]
