"""The decider's page: a day's decisions, why, and what one does with them."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from desk.answer import answer
from desk.day import Day, Shown, day, matching
from desk.web import Asked, Problem
from sixtyforty.decisions.deciding import dataset
from sixtyforty.decisions.responses import saw

A_PAGE = 50
SHOW = {"act": "to act", "differ": "other than the current rule", "all": "in all"}


def decisions(asked: Asked) -> Response:
    """The day asked for, or the answer that was sent for one of its decisions."""
    today, refusal = _today(asked), None
    if asked.form is not None:
        one = today.find(asked.form.get("decision_id", ""))
        refusal = answer(asked, one)
        if refusal is None:
            return RedirectResponse(f"{asked.at()}#{one.id}", 303)
        today = _today(asked)  # somebody may have been faster
    show, words = asked.query.get("show", "act"), asked.query.get("q", "")
    found = {name: matching(_of(name, today.decisions), words) for name in SHOW}
    if show not in found:
        raise Problem(404, "There is no such list", f"There are: {', '.join(SHOW.values())}.")
    pages = max(-(-len(found[show]) // A_PAGE), 1)
    number = _number(asked.query.get("page", "1"), pages)
    shown = found[show][(number - 1) * A_PAGE : number * A_PAGE]
    ids = [d.id for d in shown]
    if asked.form is None:
        saw(asked.ws, asked.who.person, "decider", ids)
    return asked.page(
        "decisions.html",
        refusal.status if refusal else 200,
        day=today,
        shown=shown,
        why=asked.desk.why.of(asked.ws, today.partition, asked.track, ids),
        lists=SHOW,
        show=show,
        counts={name: len(d) for name, d in found.items()},
        words=words,
        number=number,
        pages=pages,
        answered=sum(d.answer is not None for d in today.decisions),
        refusal=refusal,
    )


def _today(asked: Asked) -> Day:
    return day(asked, dataset(asked.track), "No decisions yet")


def _of(name: str, decisions: list[Shown]) -> list[Shown]:
    return [d for d in decisions if name == "all" or (d.acts if name == "act" else d.differs)]


def _number(text: str, pages: int) -> int:
    """The number of a page that there is."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= pages:
        raise Problem(404, "There is no such page", f"There are {pages}.")
    return int(text)
