"""Add simulated responses of people to past decisions, and run the stages that read them."""

from __future__ import annotations

from datetime import date

from pipelines.authoring import catalog
from pipelines.operations.run import run_range
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.use_case import UseCase


class NoResponsesError(SixtyfortyError):
    """The use case declares no source of responses."""


def add_simulated_responses(use_case: str, first: date | None = None, last: date | None = None, seed: int = 0) -> int:
    """Simulate people's responses to the decisions of the local days `first` to `last`. Return their number.

    Then run all stages that read responses, so that every page shows the same ones. The days default to all days of
    the replay. Raises NoResponsesError if the use case declares no source of responses.
    """
    from sixtyforty.decisions.simulation import simulate_responses

    ws = catalog.open_workspace(use_case)
    source = ws.use_case.people.responses
    if not source:
        raise NoResponsesError(
            f"{use_case} has no source of responses. Declare one in people.responses of its defs.yaml."
        )
    first = first or ws.use_case.replay.first_day
    last = last or ws.use_case.partitions.end or date.today()
    added = simulate_responses(ws, ws.use_case.covering_days(first, last), seed)
    run_range(
        use_case, first, last, select=[f"raw/{source}", f"validated/{source}", *readers_of_responses(ws.use_case)]
    )
    return added


def readers_of_responses(use_case: UseCase) -> list[str]:
    """Return the stages whose pages show what people did with the decisions."""
    return ["acceptance", *(["stage_gate"] if use_case.stages else []), "impact_report", "model_record"]
