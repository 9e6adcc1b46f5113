"""From scores to actions: the action with the highest expected payoff, and the id a decision keeps for ever."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sixtyforty.use_case import Kpi

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POLICY = "highest-expected-payoff/1"  # its version, kept with every decision


def payoff(kpi: Kpi, actions: Sequence[str], outcome: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each action paid under each outcome: gain x outcome - cost, in the KPI's unit. Shape (n,)."""
    import numpy as np

    pays = {name: (action.gain, action.cost) for name, action in kpi.actions.items()}
    gain, cost = np.array([pays[a] for a in actions], dtype=float).reshape(-1, 2).T
    return gain * outcome - cost


def choose(kpi: Kpi, score: NDArray[np.float64]) -> list[str]:
    """The action of the highest expected payoff for each expected outcome; of equal ones, the cheapest."""
    import numpy as np

    order = sorted(kpi.actions, key=lambda a: kpi.actions[a].cost)
    values = np.stack([kpi.actions[a].gain * score - kpi.actions[a].cost for a in order])
    return [order[i] for i in values.argmax(axis=0)]


def margin(kpi: Kpi, score: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the best action's expected payoff is above the second best's, for each expected outcome. Shape (n,)."""
    import numpy as np

    values = np.sort([a.gain * score - a.cost for a in kpi.actions.values()], axis=0)
    return values[-1] - values[-2]


def next_best(kpi: Kpi, score: NDArray[np.float64], actions: Sequence[str]) -> list[str]:
    """Instead of the action taken, the one of the highest expected payoff among the others; the cheapest of equals."""
    import numpy as np

    order = sorted(kpi.actions, key=lambda a: kpi.actions[a].cost)
    values = np.stack([kpi.actions[a].gain * score - kpi.actions[a].cost for a in order])
    values[[order.index(a) for a in actions], np.arange(len(actions))] = -np.inf
    return [order[i] for i in values.argmax(axis=0)]


def worth(kpi: Kpi, score: NDArray[np.float64]) -> NDArray[np.float64]:
    """What knowing the outcome (0 or 1) before acting is worth, for each probability of 1. Shape (n,), never negative.

    The expected value of perfect information: E[max over actions of payoff] - max over actions of E[payoff], so the
    most that somebody well informed can add. Source: Raiffa & Schlaifer, Applied Statistical Decision Theory (1961);
    Howard, Information Value Theory (1966).
    """
    import numpy as np

    informed = score * best(kpi, np.ones_like(score)) + (1 - score) * best(kpi, np.zeros_like(score))
    return np.maximum(informed - best(kpi, score), 0.0)


def best(kpi: Kpi, outcome: NDArray[np.float64]) -> NDArray[np.float64]:
    """What perfect foresight would have made of each outcome. Shape (n,)."""
    import numpy as np

    return np.max([a.gain * outcome - a.cost for a in kpi.actions.values()], axis=0)


def decision_ids(use_case: str, track: str, partition: str, keys: Iterable[Sequence[Any]]) -> list[str]:
    """Stable ids: the track, the partition, and a hash of the unit's key. They hold no clock and no run."""
    return [
        f"{track}-{partition}-"
        + hashlib.sha256("|".join([use_case, track, *map(_part, key)]).encode()).hexdigest()[:12]
        for key in keys
    ]


def _part(value: Any) -> str:
    """A key's value as hashed: the separator within it is escaped, so that no two keys read the same."""
    return str(value).replace("\\", "\\\\").replace("|", "\\|")


def partition_of(decision_id: str) -> tuple[str, str]:
    """Track and partition named in a decision id. Raises ValueError when it isn't one."""
    found = re.fullmatch(r"([a-z]+)-(\d{4}-\d{2}-\d{2})-[0-9a-f]{12}", decision_id, re.ASCII)
    if not found:
        raise ValueError(f"'{decision_id}' is not a decision id: they look like replay-2013-12-20-1a2b3c4d5e6f")
    return found[1], found[2]
