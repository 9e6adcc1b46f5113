"""From scores to actions: the action with the highest expected payoff, and the id a decision keeps for ever.

Where it is declared, an expert's veto or a reviewer stands between the two.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.partitions import KEY
from sixtyforty.spec.recipe import Veto
from sixtyforty.spec.use_case import UseCase
from sixtyforty.value.payoffs import ActionCounts, ChoicePayoffs, build_payoffs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

POLICY_VERSION = "highest-expected-payoff/1"  # its version, kept with every decision

BEST_REASON = "highest expected payoff"
REVIEW_REASON = "the two best answers are nearly even: the current process decides until a reviewer has answered"


class PolicyError(ValueError):
    """A declared rule of the policy that can't be followed."""


@dataclass(frozen=True)
class Policy:
    """How scores become actions; its parts are plain data, so that a recipe can keep them.

    `left_below`: the margin between the two best actions, in the KPI's unit, below which the current process decides.
    """

    kpi: Kpi
    vetoes: Mapping[str, Veto]
    left_below: float = 0.0

    @classmethod
    def of(cls, use_case: UseCase) -> Policy:
        """As declared."""
        review = use_case.people.review
        return cls(use_case.kpi, use_case.model.vetoes, review.defer_below if review else 0.0)

    @property
    def plain(self) -> dict[str, Any]:
        """All that it depends on, as JSON."""
        return {
            **({"amount": self.kpi.amount.model_dump()} if self.kpi.amount else {}),
            **({"treatment": self.kpi.treatment.model_dump()} if self.kpi.treatment else {}),
            **(
                {"limits": {n: [a.limit, a.use_full_limit] for n, a in self.kpi.actions.items()}}
                if self.kpi.has_limits
                else {}
            ),
            "actions": {n: [a.gain, a.cost] for n, a in self.kpi.actions.items()},
            "vetoes": {n: v.model_dump() for n, v in self.vetoes.items()},
            "left_below": self.left_below,
        }

    def take(self, rows: pd.DataFrame, score: NDArray[np.float64], spent: ActionCounts | None = None) -> ChosenActions:
        """The answer for each row of features with `current_action`, given its expected outcome. A veto goes first.

        spent: what counts to the limits already. Raises PolicyError for a veto whose condition isn't SQL over the
        columns of the rows.
        """
        import numpy as np

        pays = build_payoffs(self.kpi, rows)
        action = pays.choose(score, spent=spent)
        reason, left = np.full(len(rows), BEST_REASON, object), np.zeros(len(rows), bool)
        if self.left_below and isinstance(pays, ChoicePayoffs):
            left = pays.margin(score) < self.left_below
        if self.vetoes:
            names = list(self.vetoes)
            holds = _holds(rows, self.vetoes)
            barred = {a: [n for n in names if self.vetoes[n].never == a] for a in self.kpi.actions}
            free = pays.choose(
                score, {a: np.any([holds[n] for n in ns], axis=0) for a, ns in barred.items() if ns}, spent
            )
            for name in reversed(names):  # of several that hold, the first is said
                mine = holds[name] & (action == self.vetoes[name].never)
                reason[mine], left[mine] = f"veto {name}: {self.vetoes[name].why}", False
            action = free
        action[left], reason[left] = rows["current_action"].to_numpy(object)[left], REVIEW_REASON
        return ChosenActions(action, pays.expected(score, action.tolist()), reason, left)


@dataclass(frozen=True)
class ChosenActions:
    """Arrays of one length: the action, the outcome expected with it, why, and whether it is left.

    Left is what the current process decides until a reviewer has.
    """

    action: NDArray[Any]
    expected: NDArray[np.float64]
    reason: NDArray[Any]
    left: NDArray[np.bool_]


def _holds(rows: pd.DataFrame, vetoes: Mapping[str, Veto]) -> dict[str, NDArray[np.bool_]]:
    """Where each veto's condition is true."""
    import duckdb
    import numpy as np
    import pyarrow as pa

    found = {}
    with duckdb.connect() as db:
        db.register("rows", pa.Table.from_pandas(rows, preserve_index=False))
        for name, veto in vetoes.items():
            try:
                held = db.execute(f"select ({veto.when}) is true as held from rows").fetchnumpy()
            except duckdb.Error as error:
                raise PolicyError(
                    f"model.vetoes.{name}.when isn't a condition over the columns of features.sql: {error}"
                ) from error
            found[name] = np.asarray(held["held"], bool)
    return found


def make_decision_ids(use_case: str, track: str, partition: str, keys: Iterable[Sequence[Any]]) -> list[str]:
    """Stable ids: the track, the partition, and a hash of the unit's key. They hold no clock and no run."""
    begins = join_escaped([use_case, track])
    return [
        f"{track}-{partition}-" + hashlib.sha256(f"{begins}|{join_escaped(key)}".encode()).hexdigest()[:12]
        for key in keys
    ]


def join_escaped(values: Iterable[Any]) -> str:
    """Values as hashed: the separator within one is escaped, so that no two lists read the same."""
    said = [str(v) for v in values]
    text = "|".join(said)
    if "\\" in text or text.count("|") >= len(said):  # hardly ever: then one by one
        return "|".join(v.replace("\\", "\\\\").replace("|", "\\|") for v in said)
    return text


def parse_decision_id(decision_id: str) -> tuple[str, str]:
    """Track and partition named in a decision id. Raises ValueError when it isn't one."""
    found = re.fullmatch(rf"([a-z]+)-({KEY})-[0-9a-f]{{12}}", decision_id, re.ASCII)
    if not found:
        raise ValueError(f"'{decision_id}' is not a decision id: they look like replay-2013-12-20-1a2b3c4d5e6f")
    return found[1], found[2]
