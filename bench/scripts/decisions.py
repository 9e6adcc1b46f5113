"""Take the decisions of the plain scripts, and add up their value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench.scripts.declaration import GAIN_AND_COST, KEY_COLUMNS, OUTCOME

DECISION_COLUMNS = ["_partition", *KEY_COLUMNS, "decided_at", "expected", "action", "current_action"]


def decide(rows: pd.DataFrame, expected: np.ndarray) -> pd.DataFrame:
    """Return the rows with the action of the highest expected payoff. With equal payoffs, take the cheapest action."""
    cheapest_first = sorted(GAIN_AND_COST, key=lambda action: GAIN_AND_COST[action][1])
    payoffs = np.stack([GAIN_AND_COST[action][0] * expected - GAIN_AND_COST[action][1] for action in cheapest_first])
    return rows.assign(expected=expected, action=np.array(cheapest_first, object)[payoffs.argmax(axis=0)])


def decide_by_current_process(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the actions of the current process, which expects no outcome."""
    return rows.assign(expected=np.nan, action=rows["current_action"])


def value_per_1000(decided: pd.DataFrame) -> dict[str, Any]:
    """Return the number of decisions with a known outcome, and dollars per 1,000 of them by each way of deciding.

    The random choice takes each action at the model's rate over all days.
    """
    known = decided[decided[OUTCOME].notna()]
    outcome = known[OUTCOME].to_numpy(float)
    payoffs = {action: gain * outcome - cost for action, (gain, cost) in GAIN_AND_COST.items()}
    totals = {
        "model": sum((payoff * (known["action"] == a)).sum() for a, payoff in payoffs.items()),
        "current_process": sum((payoff * (known["current_action"] == a)).sum() for a, payoff in payoffs.items()),
        "perfect_foresight": np.max(list(payoffs.values()), axis=0).sum() if len(known) else 0.0,
        "random_choice": 0.0,
    }
    for action, payoff in payoffs.items():
        totals["random_choice"] += (known["action"] == action).mean() * payoff.sum() if len(known) else 0.0
    per_1000 = {p: round(1000 * float(total) / len(known), 2) if len(known) else None for p, total in totals.items()}
    return {"decisions": len(known), "per_1000": per_1000}
