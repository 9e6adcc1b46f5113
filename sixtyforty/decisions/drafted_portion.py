"""Portions of units on the way to decisions: scored by their champions, and waiting for the units they compete with.

The units of one decision time compete for an action with a limit. If they come in several portions, each portion waits
here without its features. A few numbers of each unit are in memory. The keys and ids are in scratch files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.assignment import HeldOutUnits
from sixtyforty.decisions.champion_scores import WeighedGroup, decide_weighed
from sixtyforty.decisions.decision_draft import DecisionDraft
from sixtyforty.spec.track import Track
from sixtyforty.storage.stored_tables import Rows, TableStore
from sixtyforty.value.payoff_base import ActionCounts, TakenActions
from sixtyforty.value.policy import Policy

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class DraftedPortion:
    """A portion of n units, sorted by partition and decision time. Their actions aren't chosen yet.

    - units: a table with `_partition`, `decision_id`, the key, `decided_at` (UTC) and `current_action`.
    - draft: the decisions as far as they are taken.
    - weighed: the units whose actions the policy chooses.
    - counts: the actions of units on which the current process decides. They use up limits.
    - held_out: the units in the holdout, if there is one.
    """

    units: Rows
    draft: DecisionDraft
    weighed: Sequence[WeighedGroup]
    counts: ActionCounts
    held_out: HeldOutUnits | None

    def time_at(self, row: int) -> tuple[Any, ...]:
        """Return the partition and decision time of a row."""
        unit = self.units.slice(row, 1)
        return unit["_partition"][0].as_py(), unit["decided_at"][0].as_py()


def join_times(portions: Iterable[DraftedPortion], store: TableStore) -> Iterator[list[DraftedPortion]]:
    """Yield portions in groups, so that all units of a partition and decision time are in one group.

    store: takes the units of a portion that waits for the next one.
    """
    waiting: list[DraftedPortion] = []
    last_time: tuple[Any, ...] | None = None
    for portion in portions:
        if waiting and portion.time_at(0) != last_time:
            yield waiting
            waiting = []
        elif waiting:
            waiting[-1] = replace(waiting[-1], units=store.keep(waiting[-1].units.slice(0, waiting[-1].units.num_rows)))
        last_time = portion.time_at(portion.units.num_rows - 1)
        waiting.append(portion)
    if waiting:
        yield waiting


def choose_actions(
    portions: list[DraftedPortion], policy: Policy, taken: TakenActions, track: Track
) -> Iterator[tuple[pa.Table, DecisionDraft]]:
    """Choose the actions of units that compete with each other. Yield the units and the decisions of each portion.

    portions: emptied, so that a portion takes no memory after it was yielded.
    taken: the actions of decisions already taken, which count towards the limits. The actions of these portions that
    count towards limits per day are added. On the replay, raises PayoffError if the policy can't choose.
    """
    counts = {group: Counter(actions) for group, actions in taken.items()} if policy.kpi.has_limits else {}
    for portion in portions:
        for group, actions in portion.counts.items():
            counts.setdefault(group, Counter()).update(actions)
    for is_held in (False, True):
        weighed = [(p.draft, group) for p in portions for group in p.weighed if group.is_held == is_held]
        decide_weighed(policy, weighed, {} if is_held else counts, track)
    del weighed
    while portions:
        portion = portions.pop(0)
        units = portion.units.slice(0, portion.units.num_rows)
        if portion.held_out:
            portion.held_out.apply(units["current_action"], portion.draft)
        if policy.kpi.has_daily_limits:
            _count_towards_day(policy, units, portion.draft, taken)
        yield units, portion.draft


def _count_towards_day(policy: Policy, units: pa.Table, draft: DecisionDraft, taken: TakenActions) -> None:
    """Add the decided actions that have a limit per day to `taken`, with the time None."""
    limited = {name for name, action in policy.kpi.actions.items() if action.is_limited_by_day}
    actions = Counter(zip(units["_partition"].to_pylist(), draft.action.tolist(), strict=True))
    for (partition, action), count in actions.items():
        if action in limited:
            taken.setdefault((partition, None), Counter())[action] += count
