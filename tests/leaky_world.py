"""A small use case that the command line runs, and the SQL of a feature that knows the future."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.resources import BusinessClock, ProjectHome
from expectations import suites
from pipelines import definitions
from pipelines.authoring import catalog
from pipelines.component import build_chain
from sixtyforty.spec.use_case import UseCase
from sixtyforty.workspace import Workspace
from tests.helpers import SQL, make_use_case

NAME = "calls_in_time"
LEAK = "select u.id, u.site, u.load, v.late as late_today from units u left join visits v using (id)"

# Knowledge about outcomes that a person typed into SQL, by its form. Each entry: the constant as YAML, and the SQL.
TYPED_IN = {
    "a storm date": (
        "'2013-03-20'",
        """select u.id, u.site, u.load,
    case when u.call_hour::date = date '2013-03-20' then 1 else 0 end as storm from units u""",
    ),
    "fitted rates": (
        "{north: 0.52, south: 0.4893}",
        """select u.id, u.site, u.load,
    rate from units u join (values ('north', 0.52), ('south', 0.4893)) r(site, rate) using (site)""",
    ),
    "rates in a CASE": (
        "{north: 0.5217, south: 0.4893}",
        """select u.id, u.site, u.load,
    case u.site when 'north' then 0.5217 when 'south' then 0.4893 end as rate from units u""",
    ),
    "a list of keys": (
        "[94700, 94703, 95105]",
        """select u.id, u.site, u.load,
    u.id in (94700, 94703, 95105) as known_late from units u""",
    ),
}


@dataclass
class World:
    """The use case's folder and home; the declaration is read again by every command."""

    folder: Path
    home: Path
    changes: dict[str, Any]

    def load(self) -> UseCase:
        """Return the use case with the SQL of its folder as it is now."""
        features = self.folder / "features.sql"
        text = features.read_text() if features.exists() else SQL["features"]
        use_case = make_use_case(self.folder, **self.changes)
        features.write_text(text)
        return use_case

    def open(self) -> Workspace:
        """Return the workspace."""
        return Workspace(self.load(), self.home, f"sqlite:///{self.home / 'data' / 'deliveries.db'}")

    def write_features(self, sql: str) -> None:
        """Replace features.sql."""
        (self.folder / "features.sql").write_text(sql)


def make_world(folder: Path, patch: pytest.MonkeyPatch, **changes: Any) -> World:
    """Return a world in a new home. Commands find its use case alone, with suites that hold no rules."""
    home = folder / "home"
    world = World(folder / "use_case", home, changes)
    world.load()
    rules = folder / "suites" / NAME
    rules.mkdir(parents=True, exist_ok=True)
    for source in ("calls", "visits", "features"):
        (rules / f"{source}.yaml").write_text("description: for the test\n")
    patch.setattr(suites, "HERE", folder / "suites")
    patch.setenv("SIXTYFORTY_HOME", str(home))
    patch.setenv("DAGSTER_HOME", str(home / "data" / "dagster"))
    patch.setattr(catalog, "list_use_cases", lambda: [NAME])
    patch.setattr(catalog, "load_use_case", lambda *_, **__: world.load())
    patch.setattr(catalog, "open_declared_workspace", lambda _: world.open())
    patch.setattr(definitions, "defs", lambda: _definitions(world))
    return world


def _definitions(world: World) -> dg.Definitions:
    project_home = ProjectHome(
        world.home, f"sqlite:///{world.home / 'data' / 'deliveries.db'}", str(world.home / "dvc")
    )
    resources = {"project_home": project_home, "clock": BusinessClock()}
    return dg.Definitions.merge(
        build_chain(world.load()), dg.Definitions(resources=resources, executor=dg.in_process_executor)
    )


def days_between(first: date, last: date) -> str:
    """Return the options of a range of days."""
    return f"--from {first} --to {last}"
