"""Answering a decision: accepted, overridden with a reason, and rated. The same for deciders and experts."""

from __future__ import annotations

from dataclasses import dataclass

from desk.day import Shown
from desk.web import Asked
from sixtyforty.decisions.responses import Answered, ResponseError, record
from sixtyforty.storage.response_log import Response, Role

LONGEST = 500  # characters of a reason


@dataclass(frozen=True)
class Refusal:
    """Why an answer wasn't taken, and what was written, so that it needn't be written again."""

    decision_id: str
    text: str
    status: int
    reason: str = ""


def answer(asked: Asked, shown: Shown) -> Refusal | None:
    """Records what the form says of this decision, as the person and the role that are logged in."""
    form = asked.form or {}
    event, reason = form.get("event", ""), form.get("reason", "").strip()
    if event not in ("accepted", "overridden", "rated"):
        return Refusal(shown.id, "Accept it, or override it with a reason.", 422, reason)
    if len(reason) > LONGEST:
        return Refusal(shown.id, f"Give the reason in at most {LONGEST} characters.", 422, reason)
    person = asked.who.person
    role: Role = "expert" if asked.who.role == "expert" else "decider"  # no other role has a page that takes answers
    try:
        if event == "accepted":
            record(asked.ws, Response(shown.id, person, role, "accepted"))
        elif event == "rated":
            record(asked.ws, Response(shown.id, person, role, "rated", rating=_number(form.get("rating", ""))))
        else:
            record(asked.ws, Response(shown.id, person, role, "overridden", form.get("action"), reason))
    except Answered:
        return Refusal(shown.id, "Somebody else was faster: it is answered already, and stays so.", 409, reason)
    except ResponseError as error:
        return Refusal(shown.id, f"Nothing was recorded: {error}.", 422, reason)
    return None


def _number(text: str) -> int:
    """A rating as it was sent; 0, which is none, when it isn't a digit."""
    return int(text) if text.isascii() and text.isdigit() and len(text) == 1 else 0
