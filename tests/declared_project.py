"""The small use case of the tests as files: a declaration, SQL and suites without rules, as a person writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.helpers import DECLARED, SQL, merge


def declare_use_case(folder: Path, rules: Path, name: str, **changes: Any) -> None:
    """Write the small use case under a name: its `defs.yaml` and SQL below `folder`, its suites below `rules`."""
    attributes = merge(DECLARED, {"name": name, **changes})
    (folder / name).mkdir(parents=True)
    (rules / name).mkdir(parents=True)
    declared = {"type": "pipelines.component.DecisionPipeline", "attributes": attributes}
    text = yaml.safe_dump(declared, sort_keys=False).replace("calls_in_time_responses", f"{name}_responses")
    (folder / name / "defs.yaml").write_text(text)
    for stage, sql in SQL.items():
        (folder / name / f"{stage}.sql").write_text(sql)
    for source in (*attributes["sources"], "features"):
        (rules / name / f"{source}.yaml").write_text("description: for the test\n")
