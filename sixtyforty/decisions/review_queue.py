"""The review queue: the decisions on which a person is worth most, up to what reviewers can do in a day.

Candidates for review are the model's decisions whose two best actions are nearer to each other than
`people.review.abstain`, and those on which the declared rule disagrees; where a veto spoke, an expert has already.
They are ranked by what knowing the outcome is worth (policy.worth_of_knowing), moment by moment: a decision can't wait
for those of later hours. By each moment the reviewers have the day's capacity in proportion to the local day gone by,
rounded up, less what was given out; what is beyond that overflows and goes as it was decided. What was queued stays
queued.

Queue rows: `decision_id`, `decided_at` (UTC), `rank` (1 first), `worth` (KPI's unit), `reviewer`, `why`, `action` (as
decided), `alternative` and `minutes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.spec.people import Review
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.files import run_in_parallel
from sixtyforty.storage.manifests import Entry
from sixtyforty.value import candidates
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class QueuedReview:
    """One decision in the queue."""

    decision_id: str
    decided_at: datetime
    rank: int
    worth: float
    reviewer: str
    why: str
    action: str
    alternative: str
    minutes: float


@dataclass(frozen=True)
class ReviewCandidate:
    """A candidate for review."""

    decision_id: str
    decided_at: datetime
    worth: float
    why: str
    action: str
    alternative: str


def review_dataset(track: str) -> str:
    """Where a track's queues lie in the lake."""
    return f"review/{track}"


def read_queue(ws: Workspace, partition: str, track: str) -> list[QueuedReview]:
    """A partition's queue, by rank; empty where there is none."""
    import pyarrow.parquet as pq

    entry = ws.lake.entry(review_dataset(track), partition)
    return [QueuedReview(**row) for row in pq.read_table(ws.lake.local_file(entry)).to_pylist()] if entry else []


def queue_reviews(ws: Workspace, partitions: Sequence[str], track: str) -> dict[str, Entry]:
    """Queues what is to be reviewed of the decisions taken in these partitions (a chunk); needs people.review."""
    import pyarrow as pa

    review, decided = ws.use_case.people.review, ws.lake.entries(decisions_dataset(track), partitions)
    if review is None or not decided:
        return {}
    found = _cases(ws, review, decided)

    def lined_up(partition: str) -> Entry:
        before, cases = read_queue(ws, partition, track), found.get(partition, [])
        items = assign_reviews(ws.use_case, review, partition, cases, before)
        asked = {c.decision_id for c in cases} | {i.decision_id for i in items}
        facts = {
            "candidates": len(asked),
            "queued": len(items),
            "overflow": len(asked) - len(items),
            "worth": round(sum(i.worth for i in items), 2),
            "minutes": sum(i.minutes for i in items),
        }
        return ws.lake.write(
            review_dataset(track),
            partition,
            pa.Table.from_pylist([i.__dict__ for i in items], schema=_schema()),
            inputs={decisions_dataset(track): {partition: decided[partition].version}},
            code=ws.code_version,
            facts=facts,
        )

    return dict(zip(decided, run_in_parallel(lined_up, decided), strict=True))


def assign_reviews(
    use_case: UseCase,
    review: Review,
    partition: str,
    cases: Sequence[ReviewCandidate],
    before: Sequence[QueuedReview] = (),
) -> list[QueuedReview]:
    """The queue with these cases: those of `before` as they are, then more as far as reviewers have time.

    Each goes to the reviewer who has used the least of his or her capacity.
    """
    kept = {i.decision_id for i in before}
    fresh = sorted(
        (c for c in cases if c.decision_id not in kept), key=lambda c: (c.decided_at, -c.worth, c.decision_id)
    )
    items, used = list(before), {r: sum(i.reviewer == r for i in before) for r in review.reviewers}
    whole = sum(review.reviewers.values())
    for moment, at_once in groupby(fresh, key=lambda c: c.decided_at):
        # what was queued for later moments before this case came keeps its place
        later = sorted({moment, *(i.decided_at for i in items if i.decided_at > moment)})
        free = min(
            reviews_possible_by(use_case, whole, partition, m) - sum(i.decided_at <= m for i in items) for m in later
        )
        for case in list(at_once)[: max(free, 0)]:
            able = {r: used[r] / most for r, most in review.reviewers.items() if used[r] < most}
            reviewer = min(able, key=lambda r: (able[r], r))
            used[reviewer] += 1
            items.append(
                QueuedReview(**case.__dict__, rank=len(items) + 1, reviewer=reviewer, minutes=review.minutes_per_review)
            )
    return items


def reviews_possible_by(use_case: UseCase, whole: int, partition: str, moment: datetime) -> int:
    """How many of a day's reviews there is time for by a UTC moment: in proportion to the local day, rounded up."""
    start, end = use_case.opens_at(partition), use_case.closes_at(partition)
    return -(-whole * (min(max(moment, start), end) - start) // (end - start))


def _cases(ws: Workspace, review: Review, decided: Mapping[str, Entry]) -> dict[str, list[ReviewCandidate]]:
    """The candidates for review of each partition."""
    import numpy as np

    case, kpi = ws.use_case, ws.use_case.kpi
    key = ", ".join(f'"{c}"' for c in case.decision.key)
    with connect(case.timezone) as db:
        asked_of, priced = [review.rule] if review.rule else [], "".join(f', "{c}"' for c in kpi.payoff_sql)
        rule = (
            candidates.candidates_sql(ws.use_case, ws.lake, db, decided, asked_of, kpi.payoff_sql)
            if asked_of or priced
            else None
        )
        rows = db.execute(
            f"""select _partition, decision_id, decided_at, action, current_action, decided_by, expected
            {f', known, "candidate {review.rule}"' if review.rule else ""}{priced} from {ws.lake.select_rows(decided.values())}
            {f"left join {rule} using (_partition, {key})" if rule else ""}
            where decided_by in ('model', 'review') and not starts_with(reason, 'veto ')"""
        ).df()
    score, action = rows["expected"].to_numpy(float), rows["action"].tolist()
    said = candidates.propose_actions(case, rows, review.rule) if review.rule else action
    pays = ChoicePayoffs(kpi, rows)
    apart, differs = pays.margin(score), np.array(said, object) != np.array(action, object)
    asked = (apart < review.abstain_below) | differs
    columns = (apart, differs, said, pays.next_best(score, action), np.round(pays.value_of_information(score), 6))
    names = ["_partition", "decision_id", "decided_at", "action"]
    found: dict[str, list[ReviewCandidate]] = {}
    for (partition, decision_id, moment, taken), near, disagrees, other, second, value in zip(
        rows.loc[asked, names].itertuples(index=False), *(np.asarray(c, object)[asked] for c in columns), strict=True
    ):
        why = []
        if near < review.abstain_below:
            why.append(f"The two best answers are within {near:,.2f} {kpi.currency} of each other.")
        if review.rule and disagrees:
            said_ = kpi.candidates[review.rule].description
            why.append(f"Another rule would {kpi.describe_action(other)}. {said_}")
        alternative = other if disagrees else second
        one = ReviewCandidate(decision_id, moment.to_pydatetime(), float(value), " ".join(why), taken, alternative)
        found.setdefault(partition, []).append(one)
    return found


def _schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {"rank": pa.int32(), "worth": pa.float64(), "minutes": pa.float64(), "decided_at": pa.timestamp("us")}
    return pa.schema([(f.name, kinds.get(f.name, pa.string())) for f in fields(QueuedReview)])
