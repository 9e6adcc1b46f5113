"""review_queue: the decisions on which a person is worth most, each put before a reviewer."""

from __future__ import annotations

import dagster as dg

from assets.stage import Published, Result, Step, stage
from sixtyforty.decisions.review_queue import line_up
from sixtyforty.spec.use_case import UseCase


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The review queue of a use case; none where it declares no reviewers."""
    review = use_case.people.review
    if review is None:
        return []
    return [
        stage(
            use_case,
            "review_queue",
            _review_queue,
            description="Decisions that are nearly even, or on which an expert's rule disagrees, by what knowing the"
            f" outcome would be worth: up to {sum(review.reviewers.values())} a day,"
            f" {review.minutes_per_review:g} minutes each."
            " The rest is decided as it stands.",
            phase="deployment",
            kinds={"duckdb", "parquet"},
            deps=["decisions"],
            columns={
                "decision_id": "text",
                "decided_at": "UTC",
                "rank": "1 is the first",
                "worth": f"{use_case.kpi.unit}, of knowing the outcome",
                "reviewer": "who is asked",
                "why": "text",
                "action": "as decided",
                "alternative": "the other answer",
                "minutes": "of the reviewer",
            },
        )
    ]


def _review_queue(step: Step) -> Result:
    result, queued, overflow = Result(), 0, 0
    for portion in step.chunks():
        for partition, entry in line_up(step.ws, portion, step.clock.track).items():
            f = entry.facts
            queued, overflow = queued + f["queued"], overflow + f["overflow"]
            shown = {"dagster/partition_row_count": entry.rows, **f, "track": step.clock.track}
            result.published[partition] = Published(entry.version, shown)
    step.log.info(f"review_queue: {queued:,} put before reviewers, {overflow:,} beyond what they have time for")
    return result
