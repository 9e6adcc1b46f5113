"""A use case's job is the one that Dagster would build, but it doesn't depend on the assets of other use cases."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg
import pytest

from pipelines.runtime.dagster_internals_jobs import define_chain_job


@dg.asset(key=["sales", "orders"])
def upstream() -> None:
    """An asset of another team."""


def build_chain(name: str) -> list[dg.AssetsDefinition]:
    """Return two assets of a use case, the second of which has a check and depends on the first."""

    @dg.asset(key=[name, "raw"], deps=[upstream], partitions_def=dg.DailyPartitionsDefinition("2013-01-01"))
    def raw() -> None: ...

    @dg.asset(
        key=[name, "features"],
        deps=[raw],
        check_specs=[dg.AssetCheckSpec("fit", asset=[name, "features"])],
        partitions_def=dg.DailyPartitionsDefinition("2013-01-01"),
    )
    def features() -> Iterable[dg.AssetCheckResult | dg.MaterializeResult[None]]:
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(passed=True)

    return [raw, features]


@pytest.mark.parametrize("select", [None, [dg.AssetKey(["north", "features"])]])
def test_the_job_has_the_snapshot_of_the_job_that_dagster_builds(select: list[dg.AssetKey] | None) -> None:
    north, south = build_chain("north"), build_chain("south")
    description = "All stages."
    usual = dg.define_asset_job(
        "north",
        selection=dg.AssetSelection.key_prefixes("north"),
        description=description,
        executor_def=dg.in_process_executor,
    )
    snapshots = []
    for job in (usual, define_chain_job("north", north, description)):
        resolved = dg.Definitions(assets=[upstream, *north, *south], jobs=[job]).resolve_job_def("north")
        resolved = resolved.get_subset(asset_selection=set(select)) if select else resolved
        layer = resolved.asset_layer
        snapshots.append(
            (resolved.get_job_snapshot_id(), layer.selected_asset_keys, layer.asset_graph.asset_check_keys)
        )
    assert snapshots[0] == snapshots[1]


def test_the_job_knows_no_asset_of_another_use_case() -> None:
    north, south = build_chain("north"), build_chain("south")
    definitions = dg.Definitions(assets=[upstream, *north, *south], jobs=[define_chain_job("north", north, "")])
    graph = definitions.resolve_job_def("north").asset_layer.asset_graph.source_asset_graph
    assert graph.get_all_asset_keys() == {upstream.key, *(asset.key for asset in north)}


def test_the_job_runs_its_assets() -> None:
    north = build_chain("north")
    job = dg.Definitions(assets=[upstream, *north], jobs=[define_chain_job("north", north, "")]).resolve_job_def(
        "north"
    )
    with dg.DagsterInstance.ephemeral() as instance:
        run = job.execute_in_process(instance=instance, partition_key="2013-01-02")
    assert [event.asset_key for event in run.get_asset_materialization_events()] == [asset.key for asset in north]
