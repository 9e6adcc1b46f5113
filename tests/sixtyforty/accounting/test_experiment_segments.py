"""The gain of each segment of a holdout is the difference between the arms within the segment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind

from sixtyforty.accounting.experiment_segments import measure_segments
from sixtyforty.accounting.kpi_summary import summarize_kpi, summarize_segments
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.workspace import Workspace
from tests.experiment_home import KEYS, VALUE_PER_OUTCOME, copy_home


def read_units(ws: Workspace) -> list[tuple[str, bool, float]]:
    """Return site, whether held out, and value of each unit, by plain Python."""
    with ws.lake.open_session("UTC") as db:
        columns = {}
        for dataset, column in (("features", "site"), ("outcomes", "late")):
            rows = ws.lake.select_rows(ws.lake.entries(dataset, KEYS).values())
            columns[column] = dict(db.execute(f"select id, {column} from {rows}").fetchall())
    units = []
    for partition in KEYS:
        for decision in read_decisions(ws, partition, "live"):
            call = decision.unit["id"]
            money = VALUE_PER_OUTCOME * columns["late"][call] - (3 if decision.action == "act" else 0)
            units.append((columns["site"][call], decision.decided_by == "holdout", money))
    return units


def test_segments_equal_a_comparison_of_their_units(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path, kpi={"segments": ["site"]})
    segments, units = measure_segments(ws), read_units(ws)
    assert {segment.name for segment in segments} == {site for site, _, _ in units} and len(segments) > 1
    confidence = 1 - 0.05 / len(segments)
    for segment in segments:
        model, held_out = (
            np.array([money for site, held, money in units if (site, held) == (segment.name, arm)])
            for arm in (False, True)
        )
        assert segment.decisions == len(model)
        assert segment.lift.value == pytest.approx(1000 * (model.mean() - held_out.mean()))
        assert segment.gain == pytest.approx(len(model) * segment.lift.value / 1000)
        once = ttest_ind(model, held_out, equal_var=False).confidence_interval(confidence)
        if not np.isnan(segment.lift.low):
            assert segment.lift.low < 1000 * once.low < 1000 * once.high < segment.lift.high
    assert sum(s.decisions for s in segments) == summarize_kpi(ws, "live").decisions
    assert summarize_segments(ws, "live") == segments
    assert all(set(s.to_dict()) >= {"column", "name", "low", "high"} for s in segments)


def test_without_declared_segments_there_are_none(experiment: Workspace) -> None:
    assert measure_segments(experiment) == []
