"""Check features for leakage: features recomputed from data known at the decision time must be identical."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sixtyforty.modeling.feature_sql import create_feature_table, sorted_by_unit, unit_columns
from sixtyforty.modeling.leakage_sample import CandidateTime, choose_times, list_candidates, seed_of
from sixtyforty.modeling.point_in_time import as_known_at
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.sql import identifier
from sixtyforty.storage.stored_tables import PORTION_ROWS, Rows, cut, pool, portions

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

MOST_OUTCOMES = 1_000_000  # the largest number of units whose outcomes are held in memory to choose decision times
OUTCOME = "_known_outcome"
UNIT = "(the unit itself)"  # replaces the name of a feature if a unit became known only after its decision time


@dataclass(frozen=True)
class Leak:
    """Leakage in one feature at one decision time (UTC): values change if only data known at that time are used.

    `units`: the number of units whose value of the feature changes, out of the `checked` units of that decision time.
    """

    partition: str
    feature: str
    decision_time: datetime
    units: int
    checked: int

    def __str__(self) -> str:
        """Return one line that names the leaking feature, the decision time and the number of units."""
        if self.feature == UNIT:
            return f"{self.units} of {self.checked} units at {self.decision_time} UTC became known after that time"
        units = f"{self.units} of {self.checked} units"
        return f"{self.feature} at {self.decision_time} UTC: {units} use values from after that time"


def find_leakage(
    db: duckdb.DuckDBPyConnection,
    use_case: DecisionChain,
    tables: Mapping[str, Rows],
    again: Mapping[str, Collection[str]] | None = None,
) -> list[Leak]:
    """Recompute the features of chosen decision times. Return a Leak for each feature whose values change.

    db: a session of `point_in_time.open_inputs`. tables: the built features of each partition, sorted by decision time
    and key. For the same partitions, a repeated check chooses the same decision times (see `leakage_sample`). again:
    for each partition, the decision times at which an earlier check detected leakage. If any feature has leakage, all
    other partitions are checked, too, each until its first leak.
    """
    if not tables:
        return []
    candidates = list_candidates(_frame_reader(db, use_case, tables), [*use_case.decision.key, "current_action"])
    chosen = choose_times(candidates, use_case.days_between_decisions, seed_of(use_case.first_name, tables))
    chosen += [c for c in candidates if c not in chosen and str(c.time) in (again or {}).get(c.partition, ())]
    starts = _first_rows(candidates)
    leaks: list[Leak] = []
    for candidate in chosen:
        leaks += _check_decision_time(db, use_case, candidate, tables[candidate.partition], starts[candidate])
    tainted = {leak.partition for leak in leaks}
    for candidate in candidates if leaks else ():
        if candidate.partition not in tainted and candidate not in chosen:
            leaks += _check_decision_time(db, use_case, candidate, tables[candidate.partition], starts[candidate])
            tainted = {leak.partition for leak in leaks}
    return leaks


def _frame_reader(
    db: duckdb.DuckDBPyConnection, use_case: DecisionChain, tables: Mapping[str, Rows]
) -> Callable[[], Iterable[pd.DataFrame]]:
    """Return a function that reads the features of all partitions in portions, with the column `_partition`.

    If there are several partitions, an additional column holds the outcome of each unit, or null if the outcome isn't
    known yet. A single partition has no such column, because most of its outcomes aren't known yet. Above MOST_OUTCOMES
    units, there is no such column either, because it would take too much memory.
    """
    unit_count = sum(rows.num_rows for rows in tables.values())
    known = _known_outcomes(db, use_case) if len(tables) > 1 and unit_count <= MOST_OUTCOMES else None

    def read() -> Iterator[pd.DataFrame]:
        for portion in pool(tables):
            rows: pd.DataFrame = portion.to_pandas()
            yield rows if known is None else rows.merge(known, on=[c for c in known if c != OUTCOME], how="left")

    if unit_count > PORTION_ROWS:
        return read
    frames = list(read())
    return lambda: frames


def _known_outcomes(db: duckdb.DuckDBPyConnection, use_case: DecisionChain) -> pd.DataFrame:
    unit = unit_columns(use_case)
    outcome, outcomes = identifier(use_case.kpi.outcome), use_case.sql("outcomes")
    query = f"select {unit}, o.{outcome} as {OUTCOME} from units left join ({outcomes}) o using ({unit})"
    known: pd.DataFrame = db.sql(query).to_arrow_table().to_pandas()  # same key types as the feature rows
    return known.drop_duplicates([column for column in known if column != OUTCOME])


def _first_rows(candidates: Sequence[CandidateTime]) -> dict[CandidateTime, int]:
    """Return for each decision time the position of its first row in its partition. candidates: must be sorted."""
    starts: dict[CandidateTime, int] = {}
    for _, of_partition in groupby(candidates, key=attrgetter("partition")):
        start = 0
        for candidate in of_partition:
            starts[candidate] = start
            start += candidate.units
    return starts


def _check_decision_time(
    db: duckdb.DuckDBPyConnection, use_case: DecisionChain, candidate: CandidateTime, built: Rows, start: int
) -> list[Leak]:
    """Recompute the features of one decision time. Return a Leak for each column whose values change.

    Columns with a leading underscore are compared too. They may contain a vendor's scores, and scores that use later
    data would make the vendor look too good.

    built: the built features of the partition. start: the position of the first row of the decision time.
    """
    partition, decision_time, units = candidate.partition, candidate.time, candidate.units
    hidden = {*use_case.decision.key, "_partition", "decided_at"}
    counts: Counter[str] = Counter()
    with as_known_at(db, use_case, partition, decision_time):
        create_feature_table(db, use_case)
        (recomputed,) = db.execute("select count(*) from _built").fetchall()[0]
        if recomputed != units:
            return [Leak(partition, UNIT, decision_time, abs(units - recomputed), units)]
        reader = db.sql(sorted_by_unit(use_case)).to_arrow_reader(PORTION_ROWS)
        for before, after in zip(portions(built, start, units), cut(reader, reader.schema), strict=True):
            built_rows, recomputed_rows = before.to_pandas(), after.to_pandas()
            for column in recomputed_rows.columns:
                if column not in hidden:
                    counts[column] += count_different(built_rows[column], recomputed_rows[column])
    return [Leak(partition, column, decision_time, count, units) for column, count in counts.items() if count]


def count_different(built: pd.Series[Any], recomputed: pd.Series[Any]) -> int:
    """Return the number of rows in which two columns differ. Null equals null, and NaN equals NaN."""
    import numpy as np

    null, recomputed_null = built.isna().to_numpy(), recomputed.isna().to_numpy()
    kinds = built.dtype.kind + recomputed.dtype.kind
    if set(kinds) <= set("iu"):
        same = built.to_numpy() == recomputed.to_numpy()
    elif set(kinds) <= set("fiu"):
        same = np.isclose(built.astype(float), recomputed.astype(float), rtol=0, atol=1e-9, equal_nan=True)
    else:  # pandas treats two null texts as different
        texts = (series.astype(object).map(str).to_numpy(object) for series in (built, recomputed))
        same = np.equal(*texts).astype(bool)
    same = np.where(null | recomputed_null, null & recomputed_null, same)
    return int((~same).sum())
