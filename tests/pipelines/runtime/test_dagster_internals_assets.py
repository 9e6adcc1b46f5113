"""A stage's asset gets the resources that Dagster would give it, and the same error if one is missing."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.errors import DagsterInvalidDefinitionError

from pipelines.runtime.dagster_internals_assets import StageAsset


class Store(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A resource, and one that no asset needs."""


def build(asset_type: type[dg.AssetsDefinition], name: str) -> dg.AssetsDefinition:
    step = dg.OpDefinition(
        lambda context, _: None, name, outs={"result": dg.Out(dg.Nothing)}, required_resource_keys={"home"}
    )
    return asset_type(
        node_def=step,
        keys_by_input_name={},
        keys_by_output_name={"result": dg.AssetKey(name)},
        specs=[dg.AssetSpec(name, group_name="north", metadata={"pages": 2})],
    )


def bind(asset_type: type[dg.AssetsDefinition], **resources: Store) -> list[dg.AssetsDefinition]:
    assets = [build(asset_type, name) for name in ("raw", "features")]
    graph = dg.Definitions(assets=assets, resources=resources).get_repository_def().asset_graph
    return sorted(graph.assets_defs, key=lambda asset: str(asset.key))  # Dagster's order changes with each process


def test_resources_and_all_else_are_those_that_dagster_binds() -> None:
    home, other = Store(), Store()
    usual, quick = (bind(asset_type, home=home, other=other) for asset_type in (dg.AssetsDefinition, StageAsset))
    for by_dagster, asset in zip(usual, quick, strict=True):
        assert isinstance(asset, StageAsset)
        assert set(asset.resource_defs) == set(by_dagster.resource_defs) == {"home", "io_manager"}
        assert asset.specs_by_key == by_dagster.specs_by_key
        assert asset.get_attributes_dict().keys() == by_dagster.get_attributes_dict().keys()


def test_a_later_load_has_the_resources_of_that_load() -> None:
    first, second = (bind(StageAsset, home=Store())[0].resource_defs["home"] for _ in range(2))
    assert first is not second


def test_a_missing_resource_is_refused() -> None:
    bind(StageAsset, home=Store())
    with pytest.raises(DagsterInvalidDefinitionError, match="home"):
        bind(StageAsset, other=Store())
