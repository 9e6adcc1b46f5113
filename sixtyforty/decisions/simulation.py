"""Simulate responses to replayed decisions, for demonstrations. Every response is marked as simulated.

All of people's behavior is assumed:

- Six people take shifts of eight hours in turn. The sixth person joins after nine weeks. The second leaves after
  twenty weeks.
- The person on shift sees SEEN_SHARE of the decisions that differ from the current process, half an hour after the
  decision time. He or she answers ANSWERED_SHARE of the decisions seen.
- Each person overrides with a different probability (OVERRIDE_PROBABILITIES). The probability doubles if the decision
  turns out worse than the current process's action, and halves otherwise. So overrides are right more often than by
  chance.
- The share RATED_SHARE of the answers has a rating: 4 on average after an acceptance, and 3 after an override.

A decision gets the same responses for the same seed, whichever partitions are simulated together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.responses import add_responses
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.track import Track
from sixtyforty.storage.response_log import Event, Response
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value.candidates import candidates_sql
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

TRACK: Track = "replay"  # live decisions accept no simulated response
OVERRIDE_PROBABILITIES = (0.02, 0.05, 0.08, 0.12, 0.18, 0.30)  # a probability for each person
JOIN_WEEKS, LEAVE_WEEKS = {5: 9}, {1: 20}  # number of the person, from 0: weeks after the first decision
SEEN_SHARE, ANSWERED_SHARE, RATED_SHARE = 0.5, 0.8, 0.025
SHIFT = 8 * 3600 * 10**6  # length of a shift in microseconds
OVERRIDE_REASONS = (
    "the crew is in the building anyway",
    "the inbound aircraft is already here",
    "a storm is coming",
    "the gate reported something else",
    "too few people are on standby today",
)
CHUNK = 60  # partitions simulated at a time, to limit memory use


class SimulationError(SixtyfortyError):
    """Responses can't be simulated: decisions or outcomes are missing."""


def simulate_responses(ws: Workspace, partitions: Sequence[str], seed: int = 0) -> int:
    """Add simulated responses to the replayed decisions of some partitions. Return how many responses are new.

    Raises SimulationError if the partitions have no decisions, or if their outcomes haven't been built.
    """
    decided = ws.lake.entries(decisions_dataset(TRACK))
    chosen = [partition for partition in partitions if partition in decided]
    if not chosen:
        raise SimulationError(
            f"{ws.use_case.name}: the partitions chosen for the simulation have no replayed decisions."
            f" Run the chain on these partitions first: `sixtyforty run {ws.use_case.name} --from DATE --to DATE`."
        )
    first, added = min(decided), 0
    for start in range(0, len(chosen), CHUNK):
        rows = _differing_decisions(ws, chosen[start : start + CHUNK])
        added += add_responses(ws, draw_responses(ws, rows, first, seed))
    return added


def _differing_decisions(ws: Workspace, partitions: Sequence[str]) -> pd.DataFrame:
    """Return the decisions that differ from the current process and have a known outcome.

    The columns for computing payoffs are included.
    """
    use_case, kpi = ws.use_case, ws.use_case.kpi
    decided, outcomes = ws.lake.entries(decisions_dataset(TRACK), partitions), ws.lake.entries("outcomes", partitions)
    if not outcomes:
        raise SimulationError(
            f"{use_case.name}: the outcomes of {partitions[0]} aren't built yet. Build them first:"
            f" `sixtyforty run {use_case.name} --from DATE --to DATE`."
        )
    key, columns = identifiers(use_case.decision.key), [*kpi.payoff_sql, *kpi.outcome_columns[1:]]
    selected = "".join(f", {identifier(column)}" for column in columns)
    with ws.lake.open_session(use_case.timezone) as db:
        joined = ""
        if kpi.payoff_sql:
            payoffs = candidates_sql(use_case, ws.lake, db, decided, [], kpi.payoff_sql)
            joined = f"left join {payoffs} using (_partition, {key})"
        return db.execute(
            f"""select _partition, decision_id, d.decided_at, action, current_action,
                o.{identifier(kpi.outcome)}::double as outcome{selected}
            from {ws.lake.select_rows(decided.values())} d
            join {ws.lake.select_rows(outcomes.values())} o using (_partition, {key}) {joined}
            where action <> current_action and outcome is not null order by decision_id"""
        ).df()


def draw_responses(ws: Workspace, rows: pd.DataFrame, first: str, seed: int) -> list[Response]:
    """Draw simulated responses to decisions that differ from the current process.

    rows: decision_id, decided_at (UTC), action, current_action, outcome, and the columns for computing payoffs. first:
    the first partition with decisions. seed: another seed gives other responses.
    """
    import numpy as np

    payoffs, outcome = build_payoffs(ws.use_case.kpi, rows), rows["outcome"].to_numpy(float)
    decided = payoffs.realized(rows["action"].tolist(), outcome)
    current = payoffs.realized(rows["current_action"].tolist(), outcome)
    chance, person = _draw_chances(rows["decision_id"], seed), _person_on_shift(rows, first)
    override_probability = np.asarray(OVERRIDE_PROBABILITIES)[person] * np.where(decided < current, 2.0, 0.5)
    seen = chance[:, 0] < SEEN_SHARE
    answered = seen & (chance[:, 1] < ANSWERED_SHARE)
    overridden = answered & (chance[:, 2] < override_probability)
    rated = answered & (chance[:, 3] < RATED_SHARE)
    responses: list[Response] = []
    columns = [rows[field.name] for field in fields(_DifferingDecision)]
    for position, cells in enumerate(zip(*columns, strict=True)):
        if seen[position]:
            behavior = _Behavior(
                person=int(person[position]) + 1,
                is_answered=bool(answered[position]),
                is_overridden=bool(overridden[position]),
                is_rated=bool(rated[position]),
                reason=float(chance[position, 4]),
                stars=float(chance[position, 5]),
            )
            responses += behavior.responses(_DifferingDecision(*cells))
    return responses


def _draw_chances(decision_ids: pd.Series[Any], seed: int) -> NDArray[np.float64]:
    """Return eight random numbers from 0 to 1 for each decision, in an array of shape (decisions, 8).

    The numbers of a decision depend only on its id and on the seed.
    """
    import numpy as np

    hashes = [hashlib.sha256(f"{seed}|{decision_id}".encode()).digest() for decision_id in decision_ids]
    return np.frombuffer(b"".join(hashes), "<u4").reshape(-1, 8) / 2**32


def _person_on_shift(rows: pd.DataFrame, first: str) -> NDArray[np.integer[Any]]:
    """Return the number of the person on shift at each decision time, counted from 0.

    The next person takes the shifts of a person who hasn't joined yet or has left.
    """
    import numpy as np
    import pandas as pd

    people = len(OVERRIDE_PROBABILITIES)
    weeks = (rows["decided_at"] - pd.Timestamp(first)).dt.days.to_numpy() // 7
    person = (rows["decided_at"].astype("int64") // SHIFT).to_numpy() % people
    for absent, week in JOIN_WEEKS.items():
        person = np.where((person == absent) & (weeks < week), (absent + 1) % people, person)
    for absent, week in LEAVE_WEEKS.items():
        person = np.where((person == absent) & (weeks >= week), (absent + 1) % people, person)
    return person


@dataclass(frozen=True)
class _DifferingDecision:
    """A decision that differs from the current process. `decided_at`: UTC time."""

    decision_id: str
    decided_at: pd.Timestamp
    action: str
    current_action: str


@dataclass(frozen=True)
class _Behavior:
    """A simulated person's response to one decision.

    `reason` and `stars` are random numbers from 0 to 1, which determine the reason of an override and the rating.
    """

    person: int
    is_answered: bool
    is_overridden: bool
    is_rated: bool
    reason: float
    stars: float

    def responses(self, decision: _DifferingDecision) -> Iterator[Response]:
        """Yield a decision's responses: seen, answered and rated 30, 31 and 32 minutes after its decision time."""
        yield self._response(decision, "seen", 30)
        if self.is_overridden:
            reason = f"(simulated) {OVERRIDE_REASONS[int(self.reason * len(OVERRIDE_REASONS))]}"
            yield self._response(decision, "overridden", 31, action=decision.current_action, reason=reason)
        elif self.is_answered:
            yield self._response(decision, "accepted", 31, action=decision.action)
        if self.is_rated:
            rating = 1 + int(5 * self.stars) if self.is_overridden else 3 + int(3 * self.stars)
            yield self._response(decision, "rated", 32, rating=rating)

    def _response(
        self,
        decision: _DifferingDecision,
        event: Event,
        minutes: int,
        action: str | None = None,
        reason: str | None = None,
        rating: int | None = None,
    ) -> Response:
        """Return a response whose id consists of decision id and event, so that a second simulation adds nothing."""
        return Response(
            decision.decision_id,
            f"simulated person {self.person}",
            "decider",
            event,
            action,
            reason,
            rating,
            at=decision.decided_at.to_pydatetime() + timedelta(minutes=minutes),
            simulated=True,
            response_id=f"{decision.decision_id}-{event}",
        )
