"""With 0, 1 or 2 days, no surface shows `nan` and none fails: it is too early to judge."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.cli.impact import impact
from sixtyforty.accounting import break_even, build_or_buy, forecast, kpi_ledger, kpi_summary
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.lifecycle import stage_gate
from sixtyforty.modeling.gate import judge
from sixtyforty.modeling.gate_evidence import GateEvidence
from sixtyforty.modeling.refresh_twin import TwinComparison
from sixtyforty.reports import digest_sections, impact_report, model_record, portfolio
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.recipe import Gate
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.workspace import Workspace
from tests.experiment_home import set_outcomes
from tests.helpers import make_workspace, publish_days, put_champion_in_force
from tests.pipelines.cli.conftest import use_workspace
from tests.stage_declarations import STAGES

FIRST = date(2013, 4, 1)
TRAINING_DAYS = [FIRST - timedelta(days=i) for i in range(6, 0, -1)]
NAN = re.compile(r"\bnan\b", re.IGNORECASE)
SOURCING = {
    "capability": "inside",
    "strategic": False,
    "why": "It is not.",
    "remaining_build_cost": 100,
    "vendors": {"by_load": {"per_decision": 0.1}},
}
KPI = {
    "segments": ["site"],
    "candidates": {
        "by_load": {"description": "Loads", "action": "case when load > 0.5 then 'act' else 'wait' end", "vendor": True}
    },
}


def make_history(folder: Path, days: int, known: bool = True) -> Workspace:
    """Return a home that a model decided on some days; known: whether the outcomes of these days are known."""
    ws = make_workspace(folder, kpi=KPI, sourcing=SOURCING, **STAGES)
    decided = [FIRST + timedelta(days=i) for i in range(days)]
    publish_days(ws, [*TRAINING_DAYS, *decided], count=8)
    put_champion_in_force(ws, FIRST)
    partitions = [str(day) for day in decided]
    take_decisions(ws, partitions, "replay", None)
    for partition in [] if known else partitions:
        outcomes = ws.lake.entry("outcomes", partition)
        assert outcomes
        numbers = range(outcomes.rows)
        first = date.fromisoformat(partition).toordinal() % 1000 * 100
        set_outcomes(ws, partition, {first + i: None for i in numbers})
    kpi_ledger.write_accounts(ws, partitions, "replay")
    return ws


def texts_of(ws: Workspace) -> list[str]:
    """Return what every surface shows; a refusal counts with its text."""
    partition = str(FIRST)
    status = stage_gate.read_stage_status(ws, ws.use_case.closes_at("2013-04-05"))
    surfaces: list[Any] = [
        lambda: impact(ws.use_case.name).text,
        lambda: json.dumps(impact(ws.use_case.name).payload(), default=str),
        lambda: json.dumps(kpi_summary.summarize_kpi(ws, "replay").to_dict()),
        lambda: json.dumps(build_or_buy.score_build_or_buy(ws, "replay").to_dict()),
        lambda: json.dumps(forecast.read_forecasts(ws, "replay").to_dict(ws.use_case.kpi)),
        lambda: json.dumps([point.to_dict() for point in break_even.write_curve(ws, "replay")]),
        lambda: " ".join(break_even.explain_break_even(ws)),
        lambda: json.dumps(status.to_dict()),
        lambda: model_record.render_record(ws, "replay"),
        lambda: portfolio.write_report([ws]).read_text(),
        lambda: "\n".join(digest_sections.owner_section(ws, "replay", [partition])),
        lambda: "\n".join(digest_sections.decider_section(ws, "replay", [partition])),
    ]
    if kpi_ledger.read_daily_values(ws, "replay"):
        surfaces.append(lambda: impact_report.write_report(ws, "replay").read_text())
    texts = []
    for surface in surfaces:
        try:
            texts.append(surface())
        except SixtyfortyError as error:
            texts.append(str(error))
    return texts


@pytest.mark.parametrize(("days", "known"), [(0, True), (1, True), (1, False), (2, True), (2, False)])
def test_no_surface_shows_nan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, known: bool) -> None:
    ws = make_history(tmp_path, days, known)
    use_workspace(monkeypatch, ws)
    texts = texts_of(ws)
    for text in texts:
        visible = re.sub(r"<svg.*?</svg>|<style.*?</style>", "", text, flags=re.DOTALL)
        assert not NAN.search(visible), visible
        assert "between – and –" not in visible
    if days == 1 and known:
        assert any("too few days to say" in text for text in texts)


DAYS = st.lists(
    st.builds(
        lambda decisions, model, current: (decisions, model, current),
        st.integers(0, 3),
        st.integers(-5, 5),
        st.integers(-5, 5),
    ),
    max_size=2,
)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(DAYS, DAYS, DAYS, st.sampled_from(["first", "refresh", "recipe"]))
def test_the_gate_never_says_nan(walk_forward: Any, challenger: Any, champion: Any, kind: Any) -> None:
    def to_days(figures: Any) -> list[DailyValue]:
        return [
            DailyValue(str(FIRST + timedelta(days=i)), n, model if n else 0, current if n else 0, 0.0, 0.0, 0, 0, 0)
            for i, (n, model, current) in enumerate(figures)
        ]

    block = TwinComparison(to_days(challenger), to_days(champion))
    evidence = GateEvidence(kind, 0.0, to_days(walk_forward), block, to_days(champion))
    judgement = judge(Gate(margin=1, confidence=0.95, max_rejected_share=0.1), evidence, "EUR")
    assert not NAN.search(" ".join(judgement.reasons) + json.dumps(judgement.figures.to_evidence()))
    assert "–" not in " ".join(judgement.reasons)
    if sum(n > 0 for n, *_ in walk_forward) < 2:
        assert judgement.verdict == "HOLD" and judgement.reasons[0].startswith("too early to judge")
