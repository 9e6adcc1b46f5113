"""An asset that binds resources quickly, with private Dagster names. See `dagster_internals` for all others."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

import dagster as dg

from sixtyforty.storage.bounded_cache import BoundedCache

Resources = Mapping[str, dg.ResourceDefinition]
_BOUND: BoundedCache[object, Resources] = BoundedCache(64)


class StageAsset(dg.AssetsDefinition):
    """An asset of a stage, whose resources are checked once for all assets that need the same ones.

    Purpose: Dagster builds and checks each asset a second time to give it its resources, which took a sixth of the time
    in which the definitions load. If Dagster removes its field: delete this class and use `dg.AssetsDefinition`.
    """

    def with_resources(self, resource_defs: Resources) -> dg.AssetsDefinition:
        """Return the same asset with the resources that its step needs. Raises DagsterError if one is missing."""
        outputs = frozenset(output.io_manager_key for output in self.node_def.output_defs)
        needed = (frozenset(self.required_resource_keys), outputs, tuple(resource_defs.items()))
        bound = _BOUND.get(needed)
        if self.resource_defs or bound is None:
            checked = super().with_resources(resource_defs)
            _BOUND.put(needed, checked.resource_defs)
            return checked
        asset = copy(self)
        asset._resource_defs = bound
        return asset
