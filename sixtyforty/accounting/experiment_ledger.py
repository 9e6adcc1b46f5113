"""Write the ledger of a randomized experiment: one account per live partition, for the model and the holdout.

The model decides on the units of one arm. The other arm is held out and keeps the current process. Each unit is
assigned to an arm by a hash (`decisions/assignment.py`). An account sums the units' values and covariates by holdout
share, arm and cluster. So a new day reads only the units of that day, and `experiment_results` computes the figures of
any period from the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sixtyforty.accounting.arm_sums import ARM, COUNTS, SUMS, ArmSums, merge_sums, sum_arms
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.stored_tables import Rows, TableStore
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

DATASET = "kpi/live"


@dataclass(frozen=True)
class ExperimentAccount:
    """The account of a live partition in an experiment, as stored in the facts of its manifest.

    - decisions: the number of units in both arms with a known outcome, of which `held_out` keep the current process.
    - model, current_process: the value of the two arms, in the KPI's currency.
    - outside_experiment: the number of units decided in shadow or before the holdout started.
    - unknown: the number of units without a known outcome.
    - least, greatest: the extreme values of a unit in both arms, in the KPI's currency. None: no unit, or not known.
    """

    partition: str
    decisions: int
    held_out: int
    model: float
    current_process: float
    outside_experiment: int
    unknown: int
    least: float | None = field(default=None, kw_only=True)
    greatest: float | None = field(default=None, kw_only=True)

    @classmethod
    def from_entry(cls, entry: Entry) -> ExperimentAccount:
        """Read a partition's account of the experiment from the manifest of the account."""
        return cls(**entry.facts)

    def to_facts(self) -> dict[str, Any]:
        """Return the fields of this account of the experiment, which its manifest stores as facts."""
        return asdict(self)


def write_accounts(ws: Workspace, partitions: Sequence[str]) -> dict[str, Entry]:
    """Write the experiment's accounts of some partitions. Return the manifests of the accounts, by partition."""
    decisions = ws.lake.entries(decisions_dataset("live"), partitions)
    outcomes = ws.lake.entries("outcomes", list(decisions))
    decisions = {p: decisions[p] for p in outcomes}
    if not decisions:
        return {}
    with sum_arms(ws, decisions, outcomes) as sums:
        tables = _keep_sums(ws, sums)
        accounts = {partition: counts.account for partition, counts in sums.counts.items()}
    return {
        partition: ws.lake.write(
            DATASET,
            partition,
            tables.get(partition, _account_schema().empty_table()),
            inputs={
                decisions_dataset("live"): versions_by_partition({partition: decisions[partition]}),
                "outcomes": versions_by_partition({partition: outcomes[partition]}),
            },
            code=ws.code_version,
            facts=ExperimentAccount(partition, **account).to_facts(),
        )
        for partition, account in accounts.items()
    }


def _account_schema() -> pa.Schema:
    """Return the columns of an account: its sums by holdout share, by whether held out, and by cluster."""
    import pyarrow as pa

    numbers = dict.fromkeys(SUMS, pa.float64()) | dict.fromkeys(COUNTS, pa.int64())
    return pa.schema({"share": pa.float64(), "held_out": pa.bool_(), "cluster": pa.string(), **numbers})


def _keep_sums(ws: Workspace, sums: ArmSums) -> dict[str, Rows]:
    """Return the table of each partition's account. A partition without units in the experiment is absent."""
    import pyarrow as pa

    schema = pa.schema([("_partition", pa.string()), *_account_schema()])
    by = ["_partition", *ARM]
    portions = merge_sums(sums.db, sums.rows, by, [*SUMS, *COUNTS], by)
    tables = (pa.Table.from_pandas(portion, schema=schema, preserve_index=False) for portion in portions)
    batches = (batch for table in tables for batch in table.replace_schema_metadata(None).to_batches())
    return TableStore(ws.lake.scratch).keep_partitions(pa.RecordBatchReader.from_batches(schema, batches))
