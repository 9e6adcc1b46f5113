"""Turn scores into actions: the action with the highest expected payoff, unless a veto or a review prevents it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Veto
from sixtyforty.storage.duckdb_session import connect_for_expressions, describe_sql_error
from sixtyforty.value.choice_payoffs import ChoicePayoffs, choose_together, choose_with_vetoes
from sixtyforty.value.payoff_base import ActionCounts, Payoffs
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.value.shared_texts import share_texts

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


POLICY_VERSION = "highest-expected-payoff/1"  # the policy version that is stored with every decision

BEST_REASON = "highest expected payoff"
REVIEW_REASON = (
    "deferred: the two best actions pay nearly the same, so the current process decides until a reviewer answers"
)

UNPRICED_REASON = "no allowed action has a known gain and cost: the current process decides"


class PolicyError(SixtyfortyError):
    """The condition of a veto can't be evaluated."""


@dataclass(frozen=True)
class Policy:
    """How scores become actions, in one use case.

    defer_below: an amount in the KPI's currency. A decision is deferred to a reviewer if the expected payoffs of the
    two best actions differ by less than this amount. With 0, no decision is deferred.
    """

    kpi: Kpi
    vetoes: Mapping[str, Veto]
    defer_below: float = 0.0

    @classmethod
    def from_use_case(cls, use_case: DecisionChain) -> Policy:
        """Return the policy that a use case declares."""
        review = use_case.people.review
        return cls(use_case.kpi, use_case.model.vetoes, review.defer_below if review else 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return for JSON all settings on which the chosen actions depend, such as payoffs, vetoes and limits."""
        kpi = self.kpi
        content: dict[str, Any] = {
            "actions": {name: [action.gain, action.cost] for name, action in kpi.actions.items()},
            "vetoes": {name: veto.model_dump() for name, veto in self.vetoes.items()},
            "defer_below": self.defer_below,
        }
        if kpi.amount:
            content["amount"] = kpi.amount.model_dump()
        if kpi.treatment:
            content["treatment"] = kpi.treatment.model_dump()
        if kpi.has_limits:
            content["limits"] = {
                name: [action.most_units, action.use_full_limit, *(["day"] if action.is_limited_by_day else [])]
                for name, action in kpi.actions.items()
            }
        return content

    def choose_actions(
        self, rows: pd.DataFrame, score: NDArray[np.float64], taken: ActionCounts | None = None
    ) -> ChosenActions:
        """Choose the action for each row from its expected outcome.

        A row whose best action is vetoed isn't deferred to a reviewer. On a row without any allowed action of known
        gain and cost, the current process decides.

        rows: features of n units, `current_action` and the columns that `build_payoffs` needs.
        score: the expected outcome, shape (n,), or the expected outcome under each action, shape (actions, n).
        taken: the actions already taken, which count towards the limits.
        Raises PolicyError if the condition of a veto isn't valid SQL over the columns of the rows, and PayoffError if
        the rows lack a column that a payoff needs.
        """
        weighed = self.weigh_units(rows, score)
        (ranked,) = self.rank_actions([weighed], taken)
        return self.settle_actions(weighed, ranked)

    def weigh_units(self, rows: pd.DataFrame, score: NDArray[np.float64]) -> WeighedUnits:
        """Return what the choice of actions needs of some rows: a few numbers of each, without the features.

        Arguments and errors: see `choose_actions`.
        """
        import numpy as np

        payoffs = build_payoffs(self.kpi, rows)
        is_close = np.zeros(len(rows), bool)
        if self.defer_below and isinstance(payoffs, ChoicePayoffs):
            is_close = payoffs.margin(score) < self.defer_below
        vetoed = _evaluate_vetoes(rows, self.vetoes) if self.vetoes else {}
        return WeighedUnits(payoffs, score, is_close, vetoed, share_texts(rows["current_action"]))

    def rank_actions(
        self, parts: Sequence[WeighedUnits], taken: ActionCounts | None = None
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Yield for each part the actions that pay most, and those that pay most if vetoes apply, each of shape (n,).

        parts: the units that compete for actions with limits: all units of their partitions and decision times.
        taken: the actions already taken, which count towards the limits.
        """
        named = [
            (part.payoffs, part.score, self._barred_rows(part.vetoed))
            for part in parts
            if isinstance(part.payoffs, ChoicePayoffs)
        ]
        if named and self.vetoes:
            yield from choose_with_vetoes(named, taken)
            return
        chosen = choose_together(named, taken) if named else (p.payoffs.choose_actions(p.score) for p in parts)
        yield from ((action, action.copy()) for action in chosen)

    def settle_actions(self, units: WeighedUnits, ranked: tuple[NDArray[Any], NDArray[Any]]) -> ChosenActions:
        """Return the chosen actions of units. ranked: from `rank_actions`; changed in place.

        Raises PayoffError if an action of the current process isn't declared, and a score depends on the action.
        """
        best, action = ranked
        barred = self._barred_rows(units.vetoed)
        reason, deferred = self._rank_reasons(units, action, barred), units.is_close.copy()
        for name in reversed(list(self.vetoes)):  # if several vetoes apply, the first declared one is the reason
            applies = units.vetoed[name] & (best == self.vetoes[name].never)
            reason[applies], deferred[applies] = f"veto {name}: {self.vetoes[name].why}", False
        impossible = ~units.payoffs.is_priced(action.tolist())
        for name, where in barred.items():
            impossible |= where & (action == name)
        action[impossible], reason[impossible] = units.current_action[impossible], UNPRICED_REASON
        deferred[impossible] = False
        action[deferred], reason[deferred] = units.current_action[deferred], REVIEW_REASON
        expected = units.payoffs.expected_outcomes(units.score, action.tolist())
        return ChosenActions(action, expected, reason, deferred, impossible)

    def _rank_reasons(
        self, units: WeighedUnits, action: NDArray[Any], barred: Mapping[str, NDArray[np.bool_]]
    ) -> NDArray[Any]:
        """Return for each unit why the action was chosen: it pays most, or a limit allows no other action, shape (n,).

        action: the actions that pay most within their limits. barred: see `_barred_rows`.
        """
        import numpy as np

        reason = np.full(len(action), BEST_REASON, object)
        if not (self.kpi.has_limits and isinstance(units.payoffs, ChoicePayoffs) and len(action)):
            return reason
        payoffs = units.payoffs.allowed_payoffs(units.score, barred)
        names = np.array(units.payoffs.names, object)
        best, highest = names[payoffs.argmax(axis=0)], payoffs.max(axis=0)
        for number, name in enumerate(names):
            below = (action == name) & (payoffs[number] < highest)
            if self.kpi.actions[name].use_full_limit:
                reason[below] = f"{name} always goes to as many units as its limit allows"
            else:
                reason[below] = [f"the limit of {better} is used up by other units" for better in best[below]]
        return reason

    def _barred_rows(self, vetoed: Mapping[str, NDArray[np.bool_]]) -> dict[str, NDArray[np.bool_]]:
        """Return, for each action with vetoes, a mask of the rows on which a veto forbids it.

        vetoed: for each veto, a mask of the rows on which its condition is true.
        """
        import numpy as np

        vetoes_by_action = {
            action: [name for name, veto in self.vetoes.items() if veto.never == action] for action in self.kpi.actions
        }
        return {
            action: np.any([vetoed[name] for name in names], axis=0)
            for action, names in vetoes_by_action.items()
            if names
        }


@dataclass(frozen=True)
class WeighedUnits:
    """What the choice of actions needs of n scored units, one row per unit. The features are no longer needed.

    - payoffs: the payoffs of the actions.
    - score: the expected outcome, shape (n,), or the expected outcome under each action, shape (actions, n).
    - is_close: whether the two best actions pay nearly the same, shape (n,).
    - vetoed: for each veto, a mask of the rows on which its condition is true.
    - current_action: the action of the current process, shape (n,).
    """

    payoffs: Payoffs
    score: NDArray[np.float64]
    is_close: NDArray[np.bool_]
    vetoed: Mapping[str, NDArray[np.bool_]]
    current_action: NDArray[Any]


@dataclass(frozen=True)
class ChosenActions:
    """The actions chosen for n rows, one row per unit. Every field has shape (n,).

    - action: the chosen action.
    - expected: the expected outcome under the chosen action.
    - reason: why the action was chosen, in words.
    - deferred: whether the decision waits for a reviewer. Until the review, the action is that of the current process.
    - impossible: whether no allowed action has a known gain and cost. The action is that of the current process.
    """

    action: NDArray[Any]
    expected: NDArray[np.float64]
    reason: NDArray[Any]
    deferred: NDArray[np.bool_]
    impossible: NDArray[np.bool_]


def _evaluate_vetoes(rows: pd.DataFrame, vetoes: Mapping[str, Veto]) -> dict[str, NDArray[np.bool_]]:
    """Return, for each veto, a mask of the rows on which the veto's condition is true."""
    import duckdb
    import numpy as np
    import pyarrow as pa

    vetoed = {}
    with connect_for_expressions() as db:
        db.register("rows", pa.Table.from_pandas(rows, preserve_index=False))
        for name, veto in vetoes.items():
            try:
                condition = db.execute(f"select ({veto.when}) is true as applies from rows").fetchnumpy()
            except duckdb.Error as error:
                raise PolicyError(
                    f"model.vetoes.{name}.when is not a valid SQL condition over the columns of features.sql."
                    f" Correct the condition in defs.yaml. DuckDB's message: {describe_sql_error(error)}."
                ) from None
            vetoed[name] = np.asarray(condition["applies"], bool)
    return vetoed
