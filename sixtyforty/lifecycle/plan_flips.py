"""Compare two sets of decisions about the same units: which decisions flip, from which action to which."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

EXAMPLES = 5
COLUMNS = "decision_id, _partition, decided_at, action, expected, reason"


@dataclass(frozen=True)
class FlippedAction:
    """How many decisions change from the action `before` to the action `after`."""

    before: str
    after: str
    decisions: int


@dataclass(frozen=True)
class FlipExample:
    """A decision whose action changes from `before` to `after`.

    `score`: the outcome that the model expected; None without a model. `reason`: why `after` was chosen.
    """

    decision_id: str
    decided_at: datetime
    before: str
    after: str
    score: float | None
    reason: str


@dataclass(frozen=True)
class Flips:
    """The decisions whose action differs between two sets of decisions.

    `compared`: the number of decisions in both sets. `added`, `removed`: the number of decisions in only the later or
    only the earlier set. `by_action`: the most frequent flip first. `by_partition`: the number of flips by partition.
    """

    compared: int
    added: int
    removed: int
    by_action: Sequence[FlippedAction]
    by_partition: Mapping[str, int]
    examples: Sequence[FlipExample]

    @property
    def flipped(self) -> int:
        """The number of decisions whose action differs between the two sets."""
        return sum(flip.decisions for flip in self.by_action)


def find_flips(pairs: pd.DataFrame) -> Flips:
    """Compare the earlier and the later decision on each unit. Return the decisions that flip (change the action).

    pairs: one row for each decision id, sorted by decision time, with `_partition`, `decided_at`, `before`, `after`,
    `score` and `reason`. A decision that one set lacks has a null action there.
    """
    missing_before, missing_after = pairs["before"].isna(), pairs["after"].isna()
    both = pairs[~missing_before & ~missing_after]
    flipped = both[both["before"] != both["after"]]
    counts = Counter(zip(flipped["before"], flipped["after"], strict=True))
    shown = flipped.iloc[:: max(1, len(flipped) // EXAMPLES)].head(EXAMPLES)  # examples evenly spaced in time
    return Flips(
        compared=len(both),
        added=int(missing_before.sum()),
        removed=int(missing_after.sum()),
        by_action=[FlippedAction(*actions, count) for actions, count in counts.most_common()],
        by_partition=dict(sorted(Counter(flipped["_partition"].tolist()).items())),
        examples=[_example(row) for row in shown.to_dict("records")],
    )


def _example(row: Mapping[Any, Any]) -> FlipExample:
    return FlipExample(
        decision_id=row["decision_id"],
        decided_at=row["decided_at"].to_pydatetime(),
        before=row["before"],
        after=row["after"],
        score=None if math.isnan(row["score"]) else row["score"],
        reason=row["reason"],
    )


def compare_decisions(
    timezone: str, earlier: Lake, before: Sequence[Entry], later: Lake, after: Sequence[Entry]
) -> Flips:
    """Return the decisions that have different actions in two lakes.

    before, after: the manifests of the decisions in the earlier and the later lake.
    """
    with later.open_session(timezone) as db:
        return find_flips(_read_pairs(db, earlier, before, later, after))


def _read_pairs(
    db: duckdb.DuckDBPyConnection, earlier: Lake, before: Sequence[Entry], later: Lake, after: Sequence[Entry]
) -> pd.DataFrame:
    """Return pairs of decisions with the same id, one from the earlier lake and one from the later lake.

    Score and reason come from the later lake, or from the earlier lake if the later lake lacks them.
    """
    first, second = (
        f"(select {COLUMNS} from {lake.select_rows(es)})" for lake, es in ((earlier, before), (later, after))
    )
    return db.execute(
        f"""select decision_id, coalesce(n._partition, o._partition) as _partition,
        coalesce(n.decided_at, o.decided_at) as decided_at, o.action as before, n.action as after,
        coalesce(n.expected, o.expected) as score, coalesce(n.reason, o.reason) as reason
        from {first} o full join {second} n using (decision_id) order by decided_at, decision_id"""
    ).df()
