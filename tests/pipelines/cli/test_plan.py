"""The command `plan` without a replay, and how its figures are written. `tests/pipelines/test_plan.py` runs it."""

from __future__ import annotations

import pytest

from pipelines.authoring import catalog
from pipelines.cli.plan import PlanAnswer, _figure_line, _gain, _period_line
from sixtyforty.lifecycle.plan_value import PlannedFigure, PlannedPeriod
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.workspace import Workspace
from tests.pipelines.conftest import RunCli

PROVEN, UNPROVEN = RoundedInterval(100.0, 50.0, 150.0), RoundedInterval(100.0, -50.0, 250.0)


def test_without_a_replay_it_says_what_to_do(
    small_workspace: Workspace, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "load_use_case", lambda *_, **__: small_workspace.use_case)
    finished = run_cli("plan calls_in_time")
    assert finished.code == 1
    assert "has no replay yet" in finished.err and "sixtyforty run calls_in_time --from DATE" in finished.err


@pytest.mark.parametrize(
    ("now", "after", "verdict"),
    [
        (PROVEN, PROVEN, "stays significant."),
        (PROVEN, UNPROVEN, "LOSES its significance."),
        (UNPROVEN, PROVEN, "becomes significant."),
        (UNPROVEN, UNPROVEN, "not significant."),
    ],
)
def test_a_gain_says_whether_it_is_significant(now: RoundedInterval, after: RoundedInterval, verdict: str) -> None:
    assert _figure_line(PlannedFigure("gain", now, after), "USD").endswith(verdict)


def test_money_is_written_with_its_interval() -> None:
    expected = "+$100 per 1,000 decisions (95% confidence interval: +$50 to +$150)"
    assert _gain(PROVEN, "USD") == expected
    assert _gain(RoundedInterval(100.0, None, None), "USD") == "+$100 per 1,000 decisions (no interval)"
    assert _period_line(PlannedPeriod("2013-04", 1200, 3, 10.0, None, -5.0)).split() == [
        "2013-04",
        "1,200",
        "3",
        "10",
        "–",
        "-5",
    ]


@pytest.mark.parametrize(
    ("leakage", "refusal", "lost", "expected"),
    [
        (None, None, [], (True, False)),
        ({"tainted": []}, None, ["gain"], (True, True)),
        ({"tainted": [{}]}, None, [], (False, False)),
        (None, "a leak", ["gain"], (False, True)),
    ],
)
def test_the_exit_code_follows_leakage_refusal_and_significance(
    leakage: dict[str, list[object]] | None, refusal: str | None, lost: list[str], expected: tuple[bool, bool]
) -> None:
    answer = PlanAnswer(
        text="",
        changes=[],
        remade={},
        leakage=leakage,
        flips=None,
        value=None,
        champions=None,
        lost_significance=lost,
        refusal=refusal,
        live_partitions=0,
        notes=[],
        next=None,
    )
    assert (answer.succeeded, answer.is_warning) == expected
