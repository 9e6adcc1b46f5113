"""The plain scripts do the chain's work and nothing else: the same features, scores and money on the same extracts."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from bench.scripts import plain_duckdb, plain_pandas
from bench.scripts.models import feature_names
from expectations.suites import load_suite
from expectations.validation import validate
from pipelines.authoring import catalog
from pipelines.demo import flights
from sixtyforty.ingest.raw import ingest
from sixtyforty.modeling import estimators, training_plan
from sixtyforty.modeling.backtest import score_days, value_metrics
from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.modeling.outcomes import build_outcomes
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.sql import identifier, identifiers, literal
from sixtyforty.workspace import Workspace
from tests.helpers import day_range

pytestmark = pytest.mark.e2e
FIRST_DAY, TRAINING_DAY = date(2013, 1, 1), date(2013, 2, 1)
LAST_DAY, NEXT_DAY, DAY_AFTER = date(2013, 2, 8), date(2013, 2, 9), date(2013, 2, 10)  # a snow storm
NO_PROOF = ("--proof-days", "0")  # the first model decides, without the gate: tests/e2e/test_chain.py has the gate
COMPARED = ("rows", "decisions", "per_1000")


@dataclass(frozen=True)
class Comparison:
    """The chain's workspace, the scripts' folders, and what each script printed, by command."""

    ws: Workspace
    duckdb_out: Path
    pandas_out: Path
    duckdb_figures: dict[str, dict[str, Any]]
    pandas_figures: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Run the days up to LAST_DAY at once, then one more day: by the chain's functions, and by both scripts."""
    ws = Workspace(catalog.load_use_case("flight_delays"), tmp_path_factory.mktemp("chain"), "sqlite://")
    landing = ws.landing.folder
    compared = Comparison(ws, tmp_path_factory.mktemp("duckdb"), tmp_path_factory.mktemp("pandas"), {}, {})
    scripts = (
        (plain_duckdb.__file__, compared.duckdb_out, compared.duckdb_figures),
        (plain_pandas.__file__, compared.pandas_out, compared.pandas_figures),
    )
    flights.land(landing, FIRST_DAY, LAST_DAY)
    run_sources(ws, [SNAPSHOT], list(ws.use_case.snapshots))
    run_sources(ws, day_range(FIRST_DAY, LAST_DAY), list(ws.use_case.partitioned))
    build(ws, day_range(FIRST_DAY, LAST_DAY))
    for script, out, figures in scripts:
        figures["backfill"] = run_script(script, "backfill", landing, out, "--first", f"{TRAINING_DAY}", *NO_PROOF)
    train(ws)
    flights.land(landing, NEXT_DAY, NEXT_DAY)
    run_sources(ws, [f"{NEXT_DAY}"], list(ws.use_case.partitioned))
    build(ws, [f"{NEXT_DAY}"])
    for script, out, figures in scripts:
        figures["day"] = run_script(script, "day", landing, out, "--date", f"{NEXT_DAY}", "--retrain", *NO_PROOF)
    return compared


def run_sources(ws: Workspace, partitions: list[str], sources: list[str]) -> None:
    """Run raw and validated, without Dagster."""
    use_case = ws.use_case
    for source in sources:
        ingest(use_case, source, ws.lake, ws.landing, partitions, ws.code_version)
        suite = load_suite(use_case.name, source)
        validate(use_case, source, suite, ws.lake, partitions, None, ws.code_version)


def build(ws: Workspace, days: list[str]) -> None:
    """Build features and outcomes of these days."""
    use_case = ws.use_case
    for dataset, built in (
        ("features", FeatureWindow(use_case, ws.lake, days).build()),
        ("outcomes", build_outcomes(use_case, ws.lake, days)),
    ):
        for partition, rows in built.tables.items():
            ws.lake.write(dataset, partition, rows, inputs=built.inputs[partition], code=ws.code_version)


def train(ws: Workspace) -> None:
    """Train the model of TRAINING_DAY."""
    plan = training_plan.plan_training(ws.use_case, ws.lake, TRAINING_DAY)
    ws.models.write_training_set(ws.use_case, ws.lake, plan)
    frame, features = ws.models.training_frame(plan.version), ws.models.card(plan.version).features
    ws.models.write_model(plan.version, estimators.fit_model(ws.use_case.model, ws.use_case.kpi, features, frame))


def run_script(script: str, command: str, landing: Path, out: Path, *options: str) -> dict[str, Any]:
    """Run a script; return the JSON that it printed."""
    arguments = [sys.executable, script, command, "--landing", str(landing), "--out", str(out), *options]
    process = subprocess.run(arguments, check=True, capture_output=True, text=True)
    return dict(json.loads(process.stdout.splitlines()[-1]))


def test_features_and_outcomes_are_equal_cell_by_cell(comparison: Comparison) -> None:
    ws = comparison.ws
    use_case, key = ws.use_case, identifiers(ws.use_case.decision.key)
    features, outcomes = (ws.lake.select_rows(ws.lake.entries(d).values()) for d in ("features", "outcomes"))
    files = literal(comparison.duckdb_out / "features" / "*" / "*.parquet")
    with duckdb.connect() as db:  # it reads outside the lake, which a session of the chain can't
        chain_rows = db.execute(
            f"""select f.* replace (_partition::date as _partition), o.{identifier(use_case.kpi.outcome)},
            o.known_at as outcome_known_at from {features} f join {outcomes} o using (_partition, {key})
            order by _partition, f.decided_at, {key}"""
        ).df()
        script_rows = db.execute(
            f"from read_parquet({files}, hive_partitioning = false) order by _partition, decided_at, {key}"
        ).df()
    assert len(chain_rows) > 30_000
    assert set(chain_rows.columns) == set(script_rows.columns)
    pd.testing.assert_frame_equal(chain_rows, script_rows[chain_rows.columns], check_exact=True)
    assert feature_names(script_rows) == ws.models.card(ws.models.versions()[0]).features


def test_money_is_equal(comparison: Comparison) -> None:
    ws = comparison.ws
    spans = {"backfill": (TRAINING_DAY, NEXT_DAY), "day": (NEXT_DAY, DAY_AFTER)}
    for command, (first, end) in spans.items():
        days = score_days(ws.use_case, ws.lake, ws.models, ws.models.versions()[0], first, end)
        chain_figures, script_figures = asdict(value_metrics(days)), comparison.duckdb_figures[command]
        assert chain_figures.pop("decisions") == script_figures["decisions"] > 0
        assert {policy: round(amount, 2) for policy, amount in chain_figures.items()} == script_figures["per_1000"]


def test_pandas_gives_the_same_features_and_money(comparison: Comparison) -> None:
    for command in ("backfill", "day"):
        figures = comparison.duckdb_figures[command], comparison.pandas_figures[command]
        duckdb_figures, pandas_figures = ({name: printed[name] for name in COMPARED} for printed in figures)
        assert pandas_figures == duckdb_figures
    duckdb_rows, pandas_rows = (
        pd.read_parquet(out / "features" / f"d={NEXT_DAY}", partitioning=None).drop(columns="_partition")
        for out in (comparison.duckdb_out, comparison.pandas_out)
    )
    assert set(duckdb_rows.columns) == set(pandas_rows.columns)
    pd.testing.assert_frame_equal(duckdb_rows, pandas_rows[duckdb_rows.columns], check_dtype=False, check_exact=True)


def test_one_more_day_is_scored_equally(comparison: Comparison) -> None:
    ws, out = comparison.ws, comparison.duckdb_out
    entry, key = ws.lake.entry("features", f"{NEXT_DAY}"), ws.use_case.decision.key
    assert entry is not None
    rows = pd.read_parquet(ws.lake.local_file(entry)).sort_values(key)
    decisions = pd.read_parquet(out / "decisions" / f"d={NEXT_DAY}", partitioning=None).sort_values(key)
    scores = ws.models.load(ws.models.versions()[0]).predict(rows)
    np.testing.assert_array_equal(scores, decisions["expected"].to_numpy())
    assert comparison.duckdb_figures["day"]["model"] == f"{TRAINING_DAY}"
    assert (out / "models" / f"{DAY_AFTER}.skops").exists()
