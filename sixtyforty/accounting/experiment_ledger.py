"""Write the ledger of a randomized experiment: one account per live partition, for the model and the holdout.

The model decides on the units of one arm. The other arm is held out and keeps the current process. Each unit is
assigned to an arm by a hash (`decisions/assignment.py`). An account sums the units' values and covariates by holdout
share, arm and cluster. So a new day reads only the units of that day, and `experiment_results` computes the figures of
any period from the sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions import assignment
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.due_units import read_frames
from sixtyforty.decisions.partition_portions import cut_at_partitions
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.experiments import Holdout
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.daily_value import CURRENT_PROCESS_DECIDERS
from sixtyforty.value.payoff_sql import priced_sql
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DATASET = "kpi/live"
SUMS = ["units", "value", "covariate", "value_value", "value_covariate", "covariate_covariate"]
COUNTS = ["acted", "differ", "fallback"]
ARM = ["share", "held_out", "cluster"]
MISSING = ["missing", "value_missing"]  # the number of units without a covariate, and the sum of their values


@dataclass(frozen=True)
class ExperimentAccount:
    """The account of a live partition in an experiment, as stored in the facts of its manifest.

    - decisions: the number of units in both arms with a known outcome, of which `held_out` keep the current process.
    - model, current_process: the value of the two arms, in the KPI's currency.
    - outside_experiment: the number of units decided in shadow or before the holdout started.
    - unknown: the number of units without a known outcome.
    """

    partition: str
    decisions: int
    held_out: int
    model: float
    current_process: float
    outside_experiment: int
    unknown: int

    @classmethod
    def from_entry(cls, entry: Entry) -> ExperimentAccount:
        """Read a partition's account of the experiment from the manifest of the account."""
        return cls(**entry.facts)

    def to_facts(self) -> dict[str, Any]:
        """Return the fields of this account of the experiment, which its manifest stores as facts."""
        return asdict(self)


class HoldoutError(SixtyfortyError):
    """The use case declares no holdout, or its holdout can't be evaluated."""


def declared_holdout(use_case: UseCase) -> Holdout:
    """Return the declared holdout. Raises HoldoutError if there is none."""
    if use_case.kpi.holdout is None:
        raise HoldoutError(
            f"{use_case.name}: no holdout is declared, so no units are held out. If the action changes the outcome,"
            " declare kpi.holdout."
        )
    return use_case.kpi.holdout


def write_accounts(ws: Workspace, partitions: Sequence[str]) -> dict[str, Entry]:
    """Write the experiment's accounts of some partitions. Return the manifests of the accounts, by partition."""
    decisions = ws.lake.entries(decisions_dataset("live"), partitions)
    outcomes = ws.lake.entries("outcomes", list(decisions))
    decisions = {p: decisions[p] for p in outcomes}
    if not decisions:
        return {}
    sums: dict[str, ArmSums] = {}
    for units in _read_arms(ws, decisions, outcomes):
        for name, rows in units.groupby("_partition", sort=True):
            partition, part = str(name), _sum_units(rows)
            sums[partition] = sums[partition] + part if partition in sums else part
    return {
        partition: ws.lake.write(
            DATASET,
            partition,
            total.to_table(),
            inputs={
                decisions_dataset("live"): versions_by_partition({partition: decisions[partition]}),
                "outcomes": versions_by_partition({partition: outcomes[partition]}),
            },
            code=ws.code_version,
            facts=ExperimentAccount(partition, **total.account).to_facts(),
        )
        for partition, total in sums.items()
    }


def load_units(ws: Workspace, rows: Mapping[str, Entry], outcomes: Mapping[str, Entry], columns: str) -> pd.DataFrame:
    """Return rows of decisions or features with the outcome, cluster, value and covariate of each unit.

    rows: manifests of decisions or features, by partition. columns: SQL that lists the columns to select.
    `action` must be one of them.

    The columns SUMS hold value, covariate and their products. The outcome is also null if the gain or cost of the
    action is unknown. The cluster is empty if each unit is assigned to an arm separately. A missing covariate is
    replaced by the mean of the partition. Raises HoldoutError if the declared covariate isn't a column of features.sql.
    """
    query = _units_sql(ws, rows, outcomes, columns)
    with ws.lake.open_session(ws.use_case.timezone) as db:
        units = db.execute(query).df()
    return _with_sums(ws.use_case, units)


def _units_sql(ws: Workspace, rows: Mapping[str, Entry], outcomes: Mapping[str, Entry], columns: str) -> str:
    """Return the query of `load_units`, whose rows still lack the cluster and the sums."""
    import pyarrow.parquet as pq

    use_case, covariate = ws.use_case, declared_holdout(ws.use_case).covariate
    key = identifiers(use_case.decision.key)
    features = ws.lake.entries("features", list(rows))
    if covariate and not all(covariate in pq.read_schema(ws.lake.local_file(e)).names for e in features.values()):
        raise HoldoutError(
            f"{use_case.name}: kpi.holdout.covariate '{covariate}' is not a column of features.sql. Add the column to"
            " features.sql, or name another column."
        )
    covariate_sql = f"{identifier(covariate)}::double" if covariate else "0.0"
    prices = "".join(f", {identifier(c)}" for c in use_case.kpi.payoff_sql)
    outcome = f"case when {priced_sql(use_case.kpi, 'd.action')} then o.{identifier(use_case.kpi.outcome)}::double end"
    taken = f"(select _partition, {key}, {columns} from {ws.lake.select_rows(rows.values())})"
    return f"""select d.*, {outcome} as outcome, f.* exclude (_partition, {key})
            from {assignment.add_draw_columns(ws, taken, list(rows))} d
            left join {ws.lake.select_rows(outcomes.values())} o using (_partition, {key})
            left join (select _partition, {key}, {covariate_sql} as covariate, decided_at{prices}
                from {ws.lake.select_rows(features.values())}) f
            using (_partition, {key}) order by _partition, {key}"""


def _with_sums(use_case: UseCase, units: pd.DataFrame) -> pd.DataFrame:
    units["cluster"] = assignment.draw_rows(use_case, units) if assignment.cluster_columns(use_case) else ""
    partition_mean = units.groupby("_partition")["covariate"].transform("mean")
    x = units["covariate"].fillna(partition_mean).fillna(0.0)
    y = ChoicePayoffs(use_case.kpi, units).unit_values(units["action"].tolist(), units["outcome"].to_numpy(float))
    return units.assign(
        units=1.0, value=y, covariate=x, value_value=y * y, value_covariate=y * x, covariate_covariate=x * x
    )


def _read_arms(ws: Workspace, decisions: Mapping[str, Entry], outcomes: Mapping[str, Entry]) -> Iterator[pd.DataFrame]:
    """Yield the decided units with the holdout share at the decision, and whether the unit is held out.

    The units come in portions, so that a partition may have more of them than fit into memory. A missing covariate is
    replaced by the mean of the partition's units in the portion.
    """
    query = _units_sql(ws, decisions, outcomes, "action, current_action, decided_by, policy")
    with ws.lake.open_session(ws.use_case.timezone) as db:
        for portion in cut_at_partitions(read_frames(db, query, []), join_times=False):
            is_missing = portion["covariate"].isna()
            units = _with_sums(ws.use_case, portion.copy())
            units["share"] = units["policy"].map(
                {policy: assignment.parse_share(policy) for policy in units["policy"].unique()}
            )
            units["held_out"] = units["decided_by"] == "holdout"
            units["acted"] = units["action"] != ws.use_case.kpi.idle_action
            units["differ"] = units["action"] != units["current_action"]
            units["fallback"] = units["decided_by"].isin(CURRENT_PROCESS_DECIDERS)
            units["missing"] = is_missing.astype(float)
            units["value_missing"] = units["value"].where(is_missing, 0.0)
            yield units


@dataclass(frozen=True)
class ArmSums:
    """The sums of an experiment's arms over a portion of a partition's units. Sums of several portions can be added.

    account: the fields of ExperimentAccount without the partition.
    arms: the columns SUMS, COUNTS and MISSING, summed over the units in the experiment, by ARM.
    mean: the mean of the `count` covariates that aren't missing, or 0 if all are missing. Each missing covariate is
    replaced by this mean.
    """

    account: dict[str, Any]
    arms: pd.DataFrame
    mean: float
    count: int

    def __add__(self, other: ArmSums) -> ArmSums:
        import pandas as pd

        count = self.count + other.count
        mean = (self.mean * self.count + other.mean * other.count) / max(count, 1)
        arms = pd.concat([self._arms_with_mean(mean), other._arms_with_mean(mean)])
        return ArmSums(
            {name: number + other.account[name] for name, number in self.account.items()},
            arms.groupby(level=ARM, sort=True).sum(),
            mean,
            count,
        )

    def _arms_with_mean(self, mean: float) -> pd.DataFrame:
        """Return the sums with another number in place of a missing covariate."""
        missing, values, arms = self.arms["missing"], self.arms["value_missing"], self.arms
        return arms.assign(
            covariate=arms["covariate"] + missing * (mean - self.mean),
            value_covariate=arms["value_covariate"] + values * (mean - self.mean),
            covariate_covariate=arms["covariate_covariate"] + missing * (mean**2 - self.mean**2),
        )

    def to_table(self) -> pa.Table:
        """Return the sums by holdout share, by whether held out, and by cluster, as the ledger stores them."""
        import pyarrow as pa

        numbers = dict.fromkeys(SUMS, pa.float64()) | dict.fromkeys(COUNTS, pa.int64())
        schema = pa.schema({"share": pa.float64(), "held_out": pa.bool_(), "cluster": pa.string(), **numbers})
        rows = self.arms[[*SUMS, *COUNTS]].reset_index()
        return pa.Table.from_pandas(rows, schema=schema, preserve_index=False).replace_schema_metadata(None)


def _sum_units(rows: pd.DataFrame) -> ArmSums:
    """Add up a partition's units, or a portion of them. rows: from `_read_arms`."""
    known = rows[rows["outcome"].notna()]
    in_experiment = known[(known["share"] > 0) & (known["share"] < 1)]
    value_of_arm = in_experiment.groupby("held_out")["value"].sum()
    account = {
        "decisions": len(in_experiment),
        "held_out": int(in_experiment["held_out"].sum()),
        "model": float(value_of_arm.get(False, 0.0)),
        "current_process": float(value_of_arm.get(True, 0.0)),
        "outside_experiment": len(known) - len(in_experiment),
        "unknown": len(rows) - len(known),
    }
    covariates = rows["covariate"][rows["missing"] == 0]
    arms = in_experiment.groupby(ARM, sort=True)[[*SUMS, *COUNTS, *MISSING]].sum()
    return ArmSums(account, arms, float(covariates.mean()) if len(covariates) else 0.0, len(covariates))
