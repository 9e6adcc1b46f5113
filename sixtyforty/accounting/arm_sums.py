"""Add up the units of an experiment by arm, however many units and clusters there are.

The units are read in portions. The sums of each portion go to a table of DuckDB, which writes to scratch files what
doesn't fit into memory. The table is then read in order, so that equal groups follow each other and are merged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions import assignment
from sixtyforty.decisions.due_units import read_frames
from sixtyforty.decisions.partition_portions import cut_at_partitions
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.experiments import Holdout
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage import stored_tables
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.sql import identifier, identifiers, literal
from sixtyforty.value import candidates
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.daily_value import CURRENT_PROCESS_DECIDERS
from sixtyforty.value.experiment import Arm
from sixtyforty.value.payoff_sql import priced_sql
from sixtyforty.value.segments import NOT_RECORDED
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

SUMS = ["units", "value", "covariate", "value_value", "value_covariate", "covariate_covariate", "value_cubed"]
COUNTS = ["acted", "differ", "fallback"]
ARM = ["share", "held_out", "cluster"]
SEGMENT = "segment"  # the column of sums by segment
CURRENT, TRIED, UNTRIED = "current", "tried", "untried"  # segments by the action of a candidate (see `sum_arms`)
MISSING = ["missing", "value_missing"]  # the number of units without a covariate, and the sum of their values
TAKEN = "action, current_action, decided_by, policy"  # the columns of decisions that `sum_arms` needs


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


@dataclass
class PartitionCounts:
    """What is counted of a partition: the numbers of its account, and its covariates.

    account: the numbers of ExperimentAccount, without the partition. mean: the mean of the `count` covariates that
    aren't missing, or 0 if all are missing.
    """

    account: dict[str, Any] = field(default_factory=dict)
    mean: float = 0.0
    count: int = 0

    def add(self, rows: pd.DataFrame, in_experiment: pd.DataFrame, known: int) -> None:
        """Count a portion of the partition. known: the number of its units with a known outcome."""
        value_of_arm = in_experiment.groupby("held_out")["value"].sum()
        numbers = {
            "decisions": len(in_experiment),
            "held_out": int(in_experiment["held_out"].sum()),
            "model": float(value_of_arm.get(False, 0.0)),
            "current_process": float(value_of_arm.get(True, 0.0)),
            "outside_experiment": known - len(in_experiment),
            "unknown": len(rows) - known,
        }
        values = [v for v in (self.account.get("least"), self.account.get("greatest")) if v is not None]
        values += [float(v) for v in in_experiment["value"].agg(["min", "max"])] if len(in_experiment) else []
        ends = {"least": min(values, default=None), "greatest": max(values, default=None)}
        self.account = {name: self.account.get(name, 0) + number for name, number in numbers.items()} | ends
        covariates = rows["covariate"][rows["missing"] == 0]
        if len(covariates):
            count = self.count + len(covariates)
            self.mean = (self.mean * self.count + float(covariates.mean()) * len(covariates)) / count
            self.count = count


@dataclass(frozen=True)
class ArmSums:
    """The sums of units by partition, arm and cluster, in a session of DuckDB.

    counts: what is counted of each partition, by partition.
    rows: SQL of the sums. Its columns are `_partition`, ARM, SUMS, COUNTS and `portion`, a number. A group may have a
    row for each portion of its partition. In place of a missing covariate is the mean of the partition.
    """

    db: duckdb.DuckDBPyConnection
    counts: dict[str, PartitionCounts]
    rows: str


@contextmanager
def sum_arms(
    ws: Workspace,
    rows: Mapping[str, Entry],
    outcomes: Mapping[str, Entry],
    columns: str = TAKEN,
    segment: str | None = None,
    candidate: str | None = None,
) -> Iterator[ArmSums]:
    """Add up the units of an experiment.

    rows, outcomes: manifests of decisions or features, and of outcomes, by partition. columns: SQL of the columns TAKEN
    over `rows`. segment: a column of features.sql or of the key. If it is given, the sums are also by its value, in the
    column SEGMENT. candidate: a candidate of `rows` that are decisions. If it is given, the segment says whether its
    action is that of the current process (CURRENT). If not, units of the model's arm say whether the action was taken
    (TRIED or UNTRIED), and held-out units are TRIED.

    Raises HoldoutError if the declared covariate isn't a column of features.sql.
    """
    with ws.lake.open_session(ws.use_case.timezone) as db:
        numbers = ", ".join(f"{name} double" for name in [*SUMS, *COUNTS, *MISSING])
        db.execute(
            "create temp table arm_parts (_partition varchar, portion integer, portion_mean double, share double,"
            f" held_out boolean, cluster varchar, {SEGMENT} varchar, {numbers})"
        )
        counts: dict[str, PartitionCounts] = {}
        for number, units in enumerate(
            _read_units(ws, db, rows, outcomes, columns, segment, candidate) if rows else ()
        ):
            db.register("portion_sums", _sum_portion(units, counts).assign(portion=number))
            db.execute("insert into arm_parts by name from portion_sums")
            db.unregister("portion_sums")
        db.execute("create temp table partition_means (_partition varchar, mean double)")
        if counts:
            db.executemany("insert into partition_means values (?, ?)", [[p, c.mean] for p, c in counts.items()])
        yield ArmSums(db, counts, _with_partition_means())


def _sum_portion(units: pd.DataFrame, counts: dict[str, PartitionCounts]) -> pd.DataFrame:
    """Return the sums of a portion of units, and count them in `counts`. units: from `_read_units`."""
    import pandas as pd

    sums = []
    for name, rows in units.groupby("_partition", sort=True):
        known = rows[rows["outcome"].notna()]
        in_experiment = known[(known["share"] > 0) & (known["share"] < 1)]
        partition = counts.setdefault(str(name), PartitionCounts())
        partition.add(rows, in_experiment, len(known))
        part = in_experiment.groupby([*ARM, SEGMENT], sort=True)[[*SUMS, *COUNTS, *MISSING]].sum().reset_index()
        sums.append(part.assign(_partition=str(name), portion_mean=rows["filled_mean"].iloc[0]))
    return pd.concat(sums, ignore_index=True)


def _with_partition_means() -> str:
    """Return SQL of the sums with the mean of the partition, not of the portion, in place of a missing covariate."""
    changed = {
        "covariate": "covariate + missing * (mean - portion_mean)",
        "value_covariate": "value_covariate + value_missing * (mean - portion_mean)",
        "covariate_covariate": "covariate_covariate + missing * (mean * mean - portion_mean * portion_mean)",
    }
    sums = ", ".join(f"{changed.get(name, name)} as {name}" for name in SUMS)
    columns = identifiers([*ARM, SEGMENT, *COUNTS])
    return f"(select _partition, portion, {columns}, {sums} from arm_parts join partition_means using (_partition))"


def _read_units(
    ws: Workspace,
    db: duckdb.DuckDBPyConnection,
    rows: Mapping[str, Entry],
    outcomes: Mapping[str, Entry],
    columns: str,
    segment: str | None,
    candidate: str | None,
) -> Iterator[pd.DataFrame]:
    """Yield units in portions, with the columns by which they are added up, ordered by partition and key.

    The outcome is null, too, if the gain or cost of the action is unknown. The cluster is empty if units are assigned
    to arms separately. In place of a missing covariate is `filled_mean`, the mean of the partition's units in the
    portion, or 0 if all are missing.
    """
    import pandas as pd

    use_case = ws.use_case
    query = _units_sql(ws, rows, outcomes, columns, segment)
    if candidate:
        query = _with_candidate(ws, db, rows, query, candidate)
    for units in cut_at_partitions(read_frames(db, query, []), "never" if candidate else "anywhere"):
        units = units.assign(
            cluster=assignment.draw_rows(use_case, units) if assignment.cluster_columns(use_case) else ""
        )
        mean = units.groupby("_partition")["covariate"].transform("mean").fillna(0.0)
        x, is_missing = units["covariate"].fillna(mean), units["covariate"].isna()
        y = pd.Series(_unit_values(use_case.kpi, units), units.index)
        shares = {policy: assignment.parse_share(policy) for policy in units["policy"].unique()}
        if candidate:
            units = units.assign(**{SEGMENT: _class_actions(use_case, units, candidate)})
        sums: dict[str, Any] = dict(zip(SUMS, (1.0, y, x, y * y, y * x, x * x, y**3), strict=True))
        yield units.assign(
            **sums,
            share=units["policy"].map(shares).astype(float),
            held_out=units["decided_by"] == "holdout",
            acted=units["action"] != use_case.kpi.idle_action,
            differ=units["action"] != units["current_action"],
            fallback=units["decided_by"].isin(CURRENT_PROCESS_DECIDERS),
            missing=is_missing.astype(float),
            value_missing=y.where(is_missing, 0.0),
            filled_mean=mean,
        )


def _with_candidate(
    ws: Workspace, db: duckdb.DuckDBPyConnection, rows: Mapping[str, Entry], query: str, candidate: str
) -> str:
    """Return the query of `_read_units` with the answers of a candidate, by partition, decision time and key."""
    key = identifiers(ws.use_case.decision.key)
    answers = candidates.candidates_sql(ws.use_case, ws.lake, db, rows, [candidate], [])
    return f"from ({query}) left join {answers} using (_partition, {key}) order by _partition, decided_at, {key}"


def _class_actions(use_case: UseCase, units: pd.DataFrame, candidate: str) -> NDArray[np.str_]:
    """Return for each unit whether a candidate's action is that of the current process, or was taken."""
    import numpy as np

    proposed = np.array(candidates.propose_actions(use_case, units, candidate), str)
    is_current = proposed == units["current_action"].to_numpy(str)
    is_tried = (units["decided_by"] == "holdout").to_numpy() | (proposed == units["action"].to_numpy(str))
    return np.where(is_current, CURRENT, np.where(is_tried, TRIED, UNTRIED))


def _unit_values(kpi: Kpi, units: pd.DataFrame) -> NDArray[np.float64]:
    """Return what is compared between the arms: the value of each unit, or the outcome itself if values are exact."""
    outcome = units["outcome"].to_numpy(float)
    if kpi.measurement == "exact":
        return outcome
    return ChoicePayoffs(kpi, units).unit_values(units["action"].tolist(), outcome)


def _units_sql(
    ws: Workspace, rows: Mapping[str, Entry], outcomes: Mapping[str, Entry], columns: str, segment: str | None
) -> str:
    """Return the query of `_read_units`, whose rows still lack the cluster and the sums."""
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
    priced = "true" if use_case.kpi.measurement == "exact" else priced_sql(use_case.kpi, "d.action")
    outcome = f"case when {priced} then o.{identifier(use_case.kpi.outcome)}::double end"
    taken = f"(select _partition, {key}, {columns} from {ws.lake.select_rows(rows.values())})"
    owner = "d" if segment in use_case.decision.key else "f"
    segment_sql = f"coalesce({owner}.{identifier(segment)}::varchar, {literal(NOT_RECORDED)})" if segment else "''"
    seen = f", {identifier(segment)}" if segment and owner == "f" else ""
    return f"""select d.*, {outcome} as outcome, {segment_sql} as {SEGMENT}, f.* exclude (_partition, {key})
            from {assignment.add_draw_columns(ws, taken, list(rows))} d
            left join {ws.lake.select_rows(outcomes.values())} o using (_partition, {key})
            left join (select _partition, {key}, {covariate_sql} as covariate, decided_at{prices}{seen}
                from {ws.lake.select_rows(features.values())}) f
            using (_partition, {key}) order by _partition, {key}"""


def merge_sums(
    db: duckdb.DuckDBPyConnection, rows: str, by: Sequence[str], added: Sequence[str], together: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """Yield the sums of the columns `added` for each group of equal `by`, in portions, ordered by `by`.

    Rows of a group are added in the order of their partitions and portions, so the sums don't depend on other groups.

    rows: SQL of a table with these columns, `_partition` and `portion`. together: the first columns of `by`. Groups
    that are equal in them are in one DataFrame.
    """
    import pandas as pd

    order = identifiers([*by, *(name for name in ("_partition", "portion") if name not in by)])
    reader = db.sql(f"from {rows} order by {order}").to_arrow_reader(stored_tables.PORTION_ROWS)
    waiting: pd.DataFrame | None = None
    for batch in reader:
        portion = batch.to_pandas()
        portion = portion if waiting is None else pd.concat([waiting, portion], ignore_index=True)
        is_last = (portion[list(together)] == portion[list(together)].iloc[-1]).all(axis=1)
        waiting = portion[is_last]
        if not is_last.all():
            yield _sum_groups(portion[~is_last], by, added)
    if waiting is not None:
        yield _sum_groups(waiting, by, added)


def _sum_groups(rows: pd.DataFrame, by: Sequence[str], added: Sequence[str]) -> pd.DataFrame:
    return rows.groupby(list(by), sort=True)[list(added)].sum().reset_index()


def build_arm(use_case: UseCase, db: duckdb.DuckDBPyConnection, rows: str) -> Arm:
    """Return one arm of an experiment (model or holdout), whose strata are the holdout shares in ascending order.

    rows: SQL of the arm's sums, with the columns `_partition`, `portion`, ARM and SUMS; at least one row.
    """
    import numpy as np
    import pandas as pd

    if not assignment.cluster_columns(use_case):
        sums = pd.concat(merge_sums(db, rows, ["share"], SUMS, ["share"]))
        return Arm.from_unit_sums(sums[SUMS].to_numpy(float))
    shares = [share for (share,) in db.execute(f"select distinct share from {rows} order by 1").fetchall()]
    arms = []
    for portion in merge_sums(db, rows, ["cluster", "share"], SUMS[:3], ["cluster"]):
        codes, clusters = pd.factorize(portion["cluster"])
        of_clusters = np.zeros((len(clusters), len(shares), 3))
        of_clusters[codes, np.searchsorted(shares, portion["share"])] = portion[SUMS[:3]].to_numpy(float)
        arms.append(Arm.from_cluster_sums(of_clusters))
    return Arm.join(arms)
