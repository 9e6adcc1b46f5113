"""Write the ledger of a randomized experiment: one account per live partition, for the model and the holdout.

The model decides on the units of one arm. The other arm is held out and keeps the current process. Each unit is
assigned to an arm by a hash (`decisions/assignment.py`). An account sums the units' values and covariates by holdout
share, arm and cluster. So a new day reads only the units of that day, and `experiment_results` computes the figures of
any period from the sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions import assignment
from sixtyforty.decisions.decision_table import decisions_dataset
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
    units = _load_arms(ws, decisions, outcomes)
    accounts: dict[str, Entry] = {}
    for name, rows in units.groupby("_partition", sort=True):
        partition = str(name)
        known = rows[rows["outcome"].notna()]
        in_experiment = known[(known["share"] > 0) & (known["share"] < 1)]
        accounts[partition] = ws.lake.write(
            DATASET,
            partition,
            _sum_arms(in_experiment),
            inputs={
                decisions_dataset("live"): versions_by_partition({partition: decisions[partition]}),
                "outcomes": versions_by_partition({partition: outcomes[partition]}),
            },
            code=ws.code_version,
            facts=_account_units(partition, rows, known, in_experiment).to_facts(),
        )
    return accounts


def load_units(ws: Workspace, rows: Mapping[str, Entry], outcomes: Mapping[str, Entry], columns: str) -> pd.DataFrame:
    """Return rows of decisions or features with the outcome, cluster, value and covariate of each unit.

    rows: manifests of decisions or features, by partition. columns: SQL of the columns to select, with the column
    `action`.

    The columns SUMS hold value, covariate and their products. The outcome is null, too, if the gain or cost of the
    action is unknown. The cluster is empty if units are assigned to arms one by one. A missing covariate is replaced by
    the mean of the partition. Raises HoldoutError if the declared covariate isn't a column of features.sql.
    """
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
    with ws.lake.open_session(use_case.timezone) as db:
        units = db.execute(
            f"""select d.*, {outcome} as outcome, f.* exclude (_partition, {key})
            from {assignment.add_draw_columns(ws, taken, list(rows))} d
            left join {ws.lake.select_rows(outcomes.values())} o using (_partition, {key})
            left join (select _partition, {key}, {covariate_sql} as covariate, decided_at{prices}
                from {ws.lake.select_rows(features.values())}) f
            using (_partition, {key}) order by _partition, {key}"""
        ).df()
    return _with_sums(use_case, units)


def _with_sums(use_case: UseCase, units: pd.DataFrame) -> pd.DataFrame:
    units["cluster"] = assignment.draw_rows(use_case, units) if assignment.cluster_columns(use_case) else ""
    partition_mean = units.groupby("_partition")["covariate"].transform("mean")
    x = units["covariate"].fillna(partition_mean).fillna(0.0)
    y = ChoicePayoffs(use_case.kpi, units).unit_values(units["action"].tolist(), units["outcome"].to_numpy(float))
    return units.assign(
        units=1.0, value=y, covariate=x, value_value=y * y, value_covariate=y * x, covariate_covariate=x * x
    )


def _load_arms(ws: Workspace, decisions: Mapping[str, Entry], outcomes: Mapping[str, Entry]) -> pd.DataFrame:
    """Return the decided units with the holdout share at the decision, and whether the unit is held out."""
    units = load_units(ws, decisions, outcomes, "action, current_action, decided_by, policy")
    units["share"] = units["policy"].map(
        {policy: assignment.parse_share(policy) for policy in units["policy"].unique()}
    )
    units["held_out"] = units["decided_by"] == "holdout"
    units["acted"] = units["action"] != ws.use_case.kpi.idle_action
    units["differ"] = units["action"] != units["current_action"]
    units["fallback"] = units["decided_by"].isin(CURRENT_PROCESS_DECIDERS)
    return units


def _sum_arms(units: pd.DataFrame) -> pa.Table:
    """Add up the values, covariates and counts of units by holdout share, by whether held out, and by cluster."""
    import pyarrow as pa

    numbers = dict.fromkeys(SUMS, pa.float64()) | dict.fromkeys(COUNTS, pa.int64())
    schema = pa.schema({"share": pa.float64(), "held_out": pa.bool_(), "cluster": pa.string(), **numbers})
    sums = units.groupby(["share", "held_out", "cluster"], sort=True)[[*SUMS, *COUNTS]].sum().reset_index()
    return pa.Table.from_pandas(sums, schema=schema, preserve_index=False).replace_schema_metadata(None)


def _account_units(
    partition: str, rows: pd.DataFrame, known: pd.DataFrame, in_experiment: pd.DataFrame
) -> ExperimentAccount:
    value_of_arm = in_experiment.groupby("held_out")["value"].sum()
    return ExperimentAccount(
        partition=partition,
        decisions=len(in_experiment),
        held_out=int(in_experiment["held_out"].sum()),
        model=float(value_of_arm.get(False, 0.0)),
        current_process=float(value_of_arm.get(True, 0.0)),
        outside_experiment=len(known) - len(in_experiment),
        unknown=len(rows) - len(known),
    )
