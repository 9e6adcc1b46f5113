"""A job over the assets of one use case, with private Dagster names. See `dagster_internals` for all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


class _JobOfOwnAssets(UnresolvedAssetJobDefinition):
    """A job that is resolved against its own assets and their parents, not against all assets of the project."""

    def resolve(
        self,
        asset_graph: AssetGraph,
        default_executor_def: dg.ExecutorDefinition | None = None,
        resource_defs: Mapping[str, dg.ResourceDefinition] | None = None,
    ) -> dg.JobDefinition:
        """Return the job. asset_graph: all assets of the project, with their resources."""
        keys = self.selection.resolve(asset_graph)
        parents = {parent for key in keys for parent in asset_graph.get(key).parent_keys}
        own = {asset_graph.get(key).assets_def for key in keys | parents}
        in_order = sorted(own, key=lambda definition: definition.key)
        return super().resolve(AssetGraph.from_assets(in_order), default_executor_def, resource_defs)


def define_chain_job(
    name: str, assets: Sequence[dg.AssetsDefinition], description: str
) -> UnresolvedAssetJobDefinition:
    """Return the job of a use case: all its assets and their checks. Its steps run in the process of the run.

    Purpose: Dagster searches the assets of all use cases for those of each job. So the time to start the services grew
    with the square of the number of use cases. If Dagster removes its class of jobs: use `dg.define_asset_job`, which
    builds the same jobs.
    """
    return _JobOfOwnAssets(
        name,
        selection=dg.AssetSelection.assets(*(asset.key for asset in assets)),
        description=description,
        tags={},
        executor_def=dg.in_process_executor,
    )
