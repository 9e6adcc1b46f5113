"""Why a decision was taken, in words of the business: the known facts that moved it most.

Each fact of a unit is replaced in turn by what is typical of it (the median, or most frequent value, of what the
model learned from): the more the expected outcome moves, the more the fact did. Facts are said in `model.words`; one
that isn't known, or has no words, isn't told.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.assignment import HELD_OUT
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.value.policy import BEST_REASON
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

MOST = 3  # facts told of a decision
LEAST = 0.005  # half a percent: what moves the expected outcome less says nothing
INPUTS_CORRECTED = "What was known at the time has been corrected since; the decision stays as it was taken."
NOTHING_UNUSUAL = "Nothing out of the ordinary is known."


def explain_decisions(ws: Workspace, partition: str, track: str, decision_ids: Sequence[str]) -> dict[str, list[str]]:
    """For each of these decisions of a partition that there are, up to three sentences, the weightiest first.

    Where a rule or the current process had the last word, that comes first; of units that keep the current process
    nothing else is told, so that they stay fit to compare with.
    """
    wanted = set(decision_ids)
    decisions = [d for d in read_decisions(ws, partition, track) if d["decision_id"] in wanted]
    found = {d["decision_id"]: [] if d["reason"] == BEST_REASON else [_sentence(d["reason"])] for d in decisions}
    by: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for d in decisions:
        if d["expected"] is not None and d["decided_by"] not in HELD_OUT:
            by.setdefault((d["champion_version"], d["data_version"]), []).append(d)
    for (version, data), mine in by.items():
        rows = _features(ws, partition, data, mine)
        actions = [d["action"] for d in mine]
        facts = (
            [[INPUTS_CORRECTED]] * len(mine) if rows is None else explain_rows(ws, version, rows.assign(action=actions))
        )
        for decision, said in zip(mine, facts, strict=True):
            found[decision["decision_id"]] += said
    return found


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:].rstrip('.')}."


def explain_rows(ws: Workspace, version: str, rows: pd.DataFrame) -> list[list[str]]:
    """The weightiest facts of each row of features, as sentences, by the model of this version."""
    import numpy as np

    case, model = ws.use_case, ws.models.load(version)
    told = [f for f in case.model.reasons if f in model.features]
    usual = typical_values(ws.models.folder(version) / "training_set.parquet", tuple(told))
    binary, taken = case.kpi.outcome_type == "binary", rows["action"].tolist() if "action" in rows else []
    likely, least = (" likely", LEAST) if binary else ("", 0.0)

    def expected(known: pd.DataFrame) -> NDArray[np.float64]:
        return build_payoffs(case.kpi, rows).expected_outcomes(model.predict(known), taken)

    now = expected(rows)
    moved = np.array([now - expected(rows.assign(**{f: usual[f]})) for f in told]).reshape(len(told), len(rows))
    moved[rows[told].isna().to_numpy().T] = 0.0
    heaviest = np.argsort(-np.abs(moved), axis=0, kind="stable")[:MOST]
    found = []
    for i, order in enumerate(heaviest.T):
        facts = [(told[j], moved[j, i]) for j in order if abs(moved[j, i]) >= least]
        said = [
            f"{case.model.reasons[f].format(value=rows[f].iloc[i])}, so {'more' if by > 0 else 'less'}{likely}"
            f" {case.kpi.outcome_name}."
            for f, by in facts
        ]
        found.append(said or [NOTHING_UNUSUAL])
    return found


@lru_cache(maxsize=32)
def typical_values(training_set: StoragePath, columns: tuple[str, ...]) -> dict[str, Any]:
    """What is usual in these columns of what a model learned from: the median, or of what isn't a number the mode.

    Of equally frequent ones the first in order; NaN where nothing is known. A version's training set never changes.
    """
    import pandas as pd

    rows = pd.read_parquet(io.BytesIO(training_set.read_bytes()), columns=list(columns))
    found: dict[str, Any] = {}
    for column in rows:
        known = rows[column].dropna()
        numeric = pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known)
        found[str(column)] = math.nan if known.empty else known.median() if numeric else known.mode().iloc[0]
    return found


def _features(ws: Workspace, partition: str, version: str, decisions: list[dict[str, Any]]) -> pd.DataFrame | None:
    """The rows of features that these decisions were taken on, in their order; None when they were replaced."""
    import pandas as pd

    now = ws.lake.entry("features", partition)
    entry = now if now is not None and now.version == version else ws.lake.replaced_entry(version)
    if entry is None or not ws.lake.local_file(entry).exists():
        return None
    key = ws.use_case.decision.key
    with connect(ws.use_case.timezone) as db:
        rows = db.execute(f"select * exclude _partition from {ws.lake.select_rows([entry])}").df()
    asked = pd.DataFrame([{c: d[c] for c in key} for d in decisions])
    return asked.merge(rows, on=key, how="left")
