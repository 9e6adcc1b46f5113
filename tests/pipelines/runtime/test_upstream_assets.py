"""A source of another Dagster project's asset: joined lineage, a look at each materialization, and its checks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.resources import BusinessClock
from pipelines.component import build_chain
from pipelines.runtime.upstream_assets import find_failed_checks, read_upstream
from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE
from sixtyforty.spec.errors import DeclarationError, FieldError
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, make_use_case, make_workspace
from tests.pipelines.automation.ticks import evaluate_sensor, home_of, stages_of

ORDERS = dg.AssetKey(["shop", "orders"])
CHECK = dg.AssetCheckSpec("unique_orders", asset=ORDERS)
COLUMNS = "id integer, site text, call_hour text, load float, changed text"


class Shop:
    """Another code location: an asset that writes calls to a database, with a check of its own."""

    def __init__(self, database: Path, instance: dg.DagsterInstance) -> None:
        self.database, self.instance = database, instance
        self.execute(f"create table calls ({COLUMNS})")

    def execute(self, sql: str) -> None:
        with sqlite3.connect(self.database) as connection:
            connection.execute(sql)

    def definitions(
        self, is_sound: bool = True, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    ) -> dg.Definitions:
        @dg.asset(key=ORDERS, check_specs=[CHECK])
        def orders() -> dg.MaterializeResult:
            check = dg.AssetCheckResult(passed=is_sound, check_name=CHECK.name, severity=severity)
            return dg.MaterializeResult(check_results=[check])

        return dg.Definitions([orders])

    def land(self, number: int) -> None:
        """Write a call to the table, without an event in Dagster."""
        self.execute(
            f"insert into calls values ({number}, 'north', '2013-03-07 12:00', 0.5, '2013-03-07 1{number}:00')"
        )

    def materialize(self, is_sound: bool = True, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR) -> None:
        assets = self.definitions(is_sound, severity).assets
        assert dg.materialize(list(assets or ()), instance=self.instance, raise_on_error=False)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance without runs."""
    with dg.DagsterInstance.local_temp() as dagster:
        yield dagster


@pytest.fixture
def shop(tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The other code location, on the day after a call. It has made nothing yet."""
    (tmp_path / "clock").write_text("2013-03-08T12:00:00")
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "clock"))
    monkeypatch.setenv("SHOP_URL", f"sqlite:///{tmp_path / 'shop.sqlite'}")
    return Shop(tmp_path / "shop.sqlite", instance)


@pytest.fixture
def ws(tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A use case that reads the calls at most once an hour, unless the asset was made again."""
    calls = {
        **{field: CALLS[field] for field in ("description", "columns", "key", "partition", "known_at")},
        "query": "select * from calls",
        "database": "SHOP_URL",
        "cursor_column": "changed",
        "query_interval_seconds": 3600,
        "upstream": ["shop/orders"],
    }
    workspace = make_workspace(tmp_path, sources={"calls": calls | {"files": None}})
    monkeypatch.setattr("expectations.suites.HERE", tmp_path / "rules")
    for name in ("calls", "visits", "features"):
        suite = tmp_path / "rules" / workspace.use_case.name / f"{name}.yaml"
        suite.parent.mkdir(parents=True, exist_ok=True)
        suite.write_text("description: for the test\n")
    return workspace


def test_lineage_joins_in_the_graph(ws: Workspace, shop: Shop) -> None:
    joined = dg.Definitions.merge(
        build_chain(ws.use_case),
        shop.definitions(),
        dg.Definitions(resources={"project_home": home_of(ws), "clock": BusinessClock()}),
    )
    graph = joined.resolve_asset_graph()
    assert graph.get(ORDERS).child_keys == {dg.AssetKey(["calls_in_time", "raw", "calls"])}


def test_a_materialization_triggers_the_look(ws: Workspace, shop: Shop, instance: dg.DagsterInstance) -> None:
    shop.land(1)
    assert "raw/calls" in stages_of(evaluate_sensor(ws, instance, "new_data").request)
    shop.land(2)
    assert len(ws.landing.known("calls")) == 1
    evaluate_sensor(ws, instance, "new_data")
    assert len(ws.landing.known("calls")) == 1, "the interval is not over"
    shop.materialize()
    evaluate_sensor(ws, instance, "new_data")
    assert len(ws.landing.known("calls")) == 2


def test_nothing_is_imported_while_a_check_upstream_fails(
    ws: Workspace, shop: Shop, instance: dg.DagsterInstance
) -> None:
    shop.land(1)
    shop.materialize(is_sound=False)
    tick = evaluate_sensor(ws, instance, "new_data")
    assert "calls is stale: the check unique_orders of shop/orders failed" in tick.skip_reason
    assert (tick.requests, ws.landing.known("calls")) == ([], [])
    assert run_raw(ws, instance) == ["extracts_readable"]
    assert ws.lake.partitions("raw/calls") == []
    shop.materialize()
    assert evaluate_sensor(ws, instance, "new_data").request
    assert run_raw(ws, instance) == []
    assert ws.lake.partitions("raw/calls") == ["2013-03-07"]


def test_a_warning_upstream_stops_nothing(ws: Workspace, shop: Shop, instance: dg.DagsterInstance) -> None:
    shop.materialize(is_sound=False, severity=dg.AssetCheckSeverity.WARN)
    assert find_failed_checks(instance, ORDERS) == []
    assert read_upstream(instance, ws.use_case.sources["calls"]).made_at > 0


def test_an_upstream_asset_has_a_key_of_dagster(tmp_path: Path) -> None:
    with pytest.raises((DeclarationError, FieldError, ValueError), match="upstream"):
        make_use_case(tmp_path, sources={"calls": {"upstream": ["dbt / orders"]}})


def run_raw(ws: Workspace, instance: dg.DagsterInstance) -> list[str]:
    """Import the calls of the day in a run. Return the checks of the stage that failed."""
    raw = dg.AssetKey(["calls_in_time", "raw", "calls"])
    (asset,) = (
        a for a in build_chain(ws.use_case).assets or () if isinstance(a, dg.AssetsDefinition) and raw in a.keys
    )
    dg.materialize(
        [asset, dg.AssetSpec(ORDERS)],
        selection=[raw],
        partition_key="2013-03-07",
        instance=instance,
        resources={"project_home": home_of(ws), "clock": BusinessClock()},
    )
    return find_failed_checks(instance, raw)
