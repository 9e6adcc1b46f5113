"""The code location of the data team: its dbt project as assets, with its dbt tests as asset checks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, dbt_assets

PROJECT = Path(__file__).parent


@dbt_assets(manifest=PROJECT / "target" / "manifest.json")
def models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Build all models, then test them."""
    yield from dbt.cli(["build"], context=context, raise_on_error=False).stream()


defs = dg.Definitions([models], resources={"dbt": DbtCliResource(project_dir=str(PROJECT))})
