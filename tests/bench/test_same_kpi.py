"""The plain script is the chain's work and nothing else: the same features, scores and money, on the same extracts."""

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench import plain, plain_duckdb, plain_pandas
from expectations.suites import load_suite
from expectations.validation import validate
from pipelines.authoring import catalog
from pipelines.demo import flights
from sixtyforty.ingest.raw import ingest
from sixtyforty.modeling import estimators, training_plan
from sixtyforty.modeling.backtest import score_block, value_metrics
from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.modeling.outcomes import build_outcomes
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.workspace import Workspace
from tests.helpers import day_range

pytestmark = pytest.mark.e2e
DUCKDB, PANDAS = Path(plain_duckdb.__file__), Path(plain_pandas.__file__)
FIRST, TRAINED = date(2013, 1, 1), date(2013, 2, 1)
LAST, NEXT, END = date(2013, 2, 8), date(2013, 2, 9), date(2013, 2, 10)  # a snow storm

Both = tuple[Workspace, Path, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The days up to LAST in bulk, then one more: by the chain's functions, and by the script."""
    ws = Workspace(catalog.load_use_case("flight_delays"), tmp_path_factory.mktemp("chain"), "sqlite://")
    landing, out = ws.landing.folder, tmp_path_factory.mktemp("plain")
    flights.land(landing, FIRST, LAST)
    lived(ws, [SNAPSHOT], list(ws.use_case.snapshots))
    lived(ws, day_range(FIRST, LAST), list(ws.use_case.partitioned))
    made(ws, day_range(FIRST, LAST))
    said = {"backfill": scripted("backfill", landing, out, "--first", f"{TRAINED}")}
    said["pandas backfill"] = scripted("backfill", landing, out / "pandas", "--first", f"{TRAINED}", script=PANDAS)
    learned(ws)
    flights.land(landing, NEXT, NEXT)
    lived(ws, [f"{NEXT}"], list(ws.use_case.partitioned))
    made(ws, [f"{NEXT}"])
    said["day"] = scripted("day", landing, out, "--date", f"{NEXT}", "--retrain")
    said["pandas day"] = scripted("day", landing, out / "pandas", "--date", f"{NEXT}", "--retrain", script=PANDAS)
    return ws, out, said


def lived(ws: Workspace, partitions: list[str], sources: list[str]) -> None:
    """Raw and validated, without Dagster."""
    case = ws.use_case
    for source in sources:
        ingest(case, source, ws.lake, ws.landing, partitions, ws.code_version)
        validate(case, source, load_suite(case.name, source), ws.lake, partitions, None, ws.code_version)


def made(ws: Workspace, days: list[str]) -> None:
    """Features and outcomes of these days."""
    case = ws.use_case
    for dataset, built in (
        ("features", FeatureWindow(case, ws.lake, days).build()),
        ("outcomes", build_outcomes(case, ws.lake, days)),
    ):
        for partition, rows in built.tables.items():
            ws.lake.write(dataset, partition, rows, inputs=built.inputs[partition], code=ws.code_version)


def learned(ws: Workspace) -> None:
    """The model of the day TRAINED."""
    plan = training_plan.plan_training(ws.use_case, ws.lake, TRAINED)
    ws.models.write_training_set(ws.use_case, ws.lake, plan)
    frame, features = ws.models.training_frame(plan.version), ws.models.card(plan.version).features
    ws.models.write_model(plan.version, estimators.fit_model(ws.use_case.model, ws.use_case.kpi, features, frame))


def scripted(word: str, landing: Path, out: Path, *more: str, script: Path = DUCKDB) -> dict[str, Any]:
    """What a script says of a run."""
    command = [sys.executable, str(script), word, "--landing", str(landing), "--out", str(out), *more]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_features_and_outcomes_are_the_same_cell_by_cell(both: Both) -> None:
    ws, out, _ = both
    case, key = ws.use_case, ", ".join(ws.use_case.decision.key)
    features, known = (ws.lake.select_rows(ws.lake.entries(d).values()) for d in ("features", "outcomes"))
    with connect(case.timezone) as db:
        ours = db.execute(
            f"""select f.* replace (_partition::date as _partition), o.{case.kpi.outcome},
            o.known_at as outcome_known_at from {features} f join {known} o using (_partition, {key})
            order by _partition, f.decided_at, {key}"""
        ).df()
        theirs = db.execute(
            f"""from read_parquet('{out}/features/*/*.parquet', hive_partitioning = false)
            order by _partition, decided_at, {key}"""
        ).df()
    assert len(ours) > 30_000
    assert set(ours.columns) == set(theirs.columns)
    pd.testing.assert_frame_equal(ours, theirs[ours.columns], check_exact=True)
    assert plain.features_of(theirs) == ws.models.card(ws.models.versions()[0]).features


def test_money_is_the_same(both: Both) -> None:
    ws, _, said = both
    for word, first, end in (("backfill", TRAINED, NEXT), ("day", NEXT, END)):
        ours = value_metrics(score_block(ws.use_case, ws.lake, ws.models, ws.models.versions()[0], first, end))
        assert ours.pop("decisions") == said[word]["decisions"] > 0
        assert {k: round(v, 2) for k, v in ours.items()} == said[word]["per_1000"]


def test_pandas_comes_to_the_same_features_and_money(both: Both) -> None:
    _, out, said = both
    for word in ("backfill", "day"):
        other = said[f"pandas {word}"]
        assert {k: said[word][k] for k in ("rows", "decisions", "per_1000")} == {
            k: other[k] for k in ("rows", "decisions", "per_1000")
        }
    a, b = (pd.read_parquet(d / "features" / f"d={NEXT}", partitioning=None) for d in (out, out / "pandas"))
    assert set(a.columns) == set(b.columns)
    pd.testing.assert_frame_equal(
        a.drop(columns="_partition"), b[a.columns].drop(columns="_partition"), check_dtype=False, check_exact=True
    )


def test_one_more_day_is_scored_the_same(both: Both) -> None:
    ws, out, said = both
    entry, key = ws.lake.entry("features", NEXT.isoformat()), ws.use_case.decision.key
    assert entry is not None
    rows = pd.read_parquet(ws.lake.local_file(entry)).sort_values(key)
    theirs = pd.read_parquet(out / "decisions" / f"d={NEXT}", partitioning=None).sort_values(key)
    np.testing.assert_array_equal(ws.models.load(ws.models.versions()[0]).predict(rows), theirs["expected"].to_numpy())
    assert said["day"]["model"] == f"{TRAINED}"
    assert (out / "models" / f"{END}.skops").exists()


@pytest.mark.parametrize(("day", "hours"), [(date(2013, 3, 10), 23), (date(2013, 11, 3), 25), (NEXT, 24)])
def test_the_script_finds_a_day_however_it_landed(tmp_path: Path, day: date, hours: int) -> None:
    names = [f"weather_{h:%Y-%m-%dT%H}Z.csv" for h in flights.hours_of(day)]
    for name in [*names, f"weather_{day - timedelta(days=2)}_{day}.csv", f"movements_{day}_{day}.csv"]:
        (tmp_path / name).touch()
    assert [Path(f).name for f in plain.files_of(tmp_path, "weather", day)] == names
    assert len(names) == hours
    assert len(plain.files_of(tmp_path, "movements", day)) == 1
