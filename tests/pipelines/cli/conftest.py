"""A small use case in place of the demo's, and its days decided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from expectations.rules import Suite
from expectations.serving_gate import check_features
from expectations.validation import validate
from pipelines.authoring import catalog
from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.ingest.raw import ingest
from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.modeling.outcomes import build_outcomes
from sixtyforty.storage.verdicts import verdict_facts
from sixtyforty.workspace import Workspace
from tests.helpers import land_days, make_use_case


def decide_days(ws: Workspace, days: Sequence[date]) -> None:
    """Run days from the landing zone to delivered decisions, known outcomes and their accounts."""
    use_case, lake, partitions = ws.use_case, ws.lake, land_days(ws, list(days))
    for source in use_case.sources:
        ingest(use_case, source, lake, ws.landing, partitions, ws.code_version)
        validate(use_case, source, Suite(description="no rules"), lake, partitions, None, ws.code_version)
    features = FeatureWindow(use_case, lake, partitions).build()
    checked = check_features(use_case, Suite(description="no rules"), features.tables)
    for partition, (rows, verdict) in checked.items():
        facts = verdict_facts(verdict)
        inputs = features.inputs[partition]
        lake.write("features", partition, rows, inputs=inputs, code=ws.code_version, facts=facts)
    outcomes = build_outcomes(use_case, lake, partitions)
    for partition, rows in outcomes.tables.items():
        lake.write("outcomes", partition, rows, inputs=outcomes.inputs[partition], code=ws.code_version)
    take_decisions(ws, partitions, "replay", None)
    deliver_decisions(ws, lake.entries("decisions/replay"), "replay")
    kpi_ledger.write_accounts(ws, partitions, "replay")


def use_workspace(monkeypatch: pytest.MonkeyPatch, ws: Workspace) -> None:
    """Make the command line open a workspace, whatever use case it is asked for."""
    monkeypatch.setattr(catalog, "open_workspace", lambda name: ws)


@pytest.fixture
def small_workspace(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Use a small use case in place of the demo's."""
    use_case = make_use_case(tmp_path / "use_case", name="calls_in_time")
    ws = Workspace(use_case, home, f"sqlite:///{home / 'data' / 'deliveries.sqlite'}")
    use_workspace(monkeypatch, ws)
    return ws
