"""The people of a use case: what they want of it, what was learned from them, whom it worries, who has learned what."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from desk.web import Asked, Problem
from sixtyforty.lifecycle import stage_gate, training
from sixtyforty.lifecycle.maturity import next_steps
from sixtyforty.spec.clock import now
from sixtyforty.spec.stages import StageGate


def people(asked: Asked) -> Response:
    """The page; a form of it says that whoever is logged in has done a piece of the training."""
    if asked.form is not None:
        try:
            training.do(asked.ws, asked.form.get("task", ""), asked.who.person)
        except training.TrainingError as error:
            raise Problem(404, "There is no such training", "Nothing was kept. Open the page again.") from error
        return RedirectResponse(asked.at(), 303)
    gate: StageGate | None = None
    if asked.ws.use_case.stages:
        gate = stage_gate.standing(asked.ws, now()).gate
    return asked.page(
        "people.html",
        people=asked.ws.use_case.people,
        done=training.who(asked.ws),
        share=training.share(asked.ws),
        stage=stage_gate.earned(asked.ws),
        gate=gate,
        steps=next_steps(asked.ws, now()),
    )
