"""The auditor's page: a decision found by words, and its thread back to the files it came from."""

from __future__ import annotations

import json

from starlette.responses import Response

from desk.day import local
from desk.web import Asked, Problem
from sixtyforty.decisions.provenance import Unknown, explain, find
from sixtyforty.decisions.responses import of
from sixtyforty.value.policy import partition_of

MOST = 50


def thread(asked: Asked) -> Response:
    """The decision with the id asked for, or those that the words asked for lead to."""
    words = " ".join(asked.query.get("q", "").split()[:10])
    one = asked.query.get("id") or (words if _is_id(words) else "")
    if one:
        return _one(asked, one, words)
    found = find(asked.ws, asked.track, words, MOST)
    return asked.page("threads.html", words=words, found=found, most=MOST, local=local)


def _one(asked: Asked, decision_id: str, words: str) -> Response:
    try:
        found = explain(asked.ws, decision_id)
    except (Unknown, ValueError) as error:
        raise Problem(
            404, "There is no such decision", f"{decision_id} leads nowhere: look for it by words."
        ) from error
    case, said = asked.ws.use_case, of(asked.ws, decision_id)
    unit = {c: found["decision"][c] for c in case.decision.key}
    whole = json.dumps(found, indent=2, default=str, ensure_ascii=False)
    return asked.page("thread.html", found=found, unit=unit, said=said, words=words, whole=whole, local=local)


def _is_id(words: str) -> bool:
    try:
        return bool(partition_of(words))
    except ValueError:
        return False
