"""The model record on the desk: what was tried, found and decided, to be read and searched."""

from __future__ import annotations

import mistune
from markupsafe import Markup
from starlette.responses import Response

from desk.web import Asked, Problem
from sixtyforty.reports.knowledge import failed, search
from sixtyforty.reports.model_record import versions

# HTML within the Markdown is shown as text, and links that would run something lead nowhere.
MARKDOWN = mistune.create_markdown(escape=True, plugins=["table"])


def record(asked: Asked) -> Response:
    """The newest record of the track; or what of all use cases holds the words asked for, or was tried and failed."""
    have, words = versions(asked.ws, asked.track), asked.query.get("q", "").strip()
    everything, wants_failed = list(asked.desk.workspaces.values()), asked.query.get("show") == "failed"
    if words or wants_failed:
        found = search(everything, words) if words else failed(everything)
        return asked.page("record.html", words=words, failed=wants_failed, hits=[(k, lines(k.text)) for k in found])
    if not have:
        raise Problem(404, "No model record yet", "It is written when the first model has been judged.")
    return asked.page("record.html", words="", failed=False, number=len(have), text=rendered(have[-1].read_text()))


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
