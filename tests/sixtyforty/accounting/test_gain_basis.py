"""What a gain rests on equals what pandas and scikit-learn compute from the decisions and the outcomes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, confusion_matrix, recall_score

from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.gain_basis import GainBasis, summarize_basis
from sixtyforty.accounting.kpi_summary import summarize_kpi
from sixtyforty.accounting.refused_figures import RefusedFiguresError
from sixtyforty.accounting.unit_sums_ledger import unit_sums_dataset
from sixtyforty.value.sensitivity import OPPORTUNITY_COSTS, PAYOFF_CHANGES, SUCCESS_RATES
from sixtyforty.workspace import Workspace
from tests.replayed_home import DECIDED, make_replayed_home
from tests.sixtyforty.accounting.test_kpi_ledger import KEYS, decided_home


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_replayed_home(tmp_path_factory.mktemp("replayed"), kpi={"segments": ["site"]})


@pytest.fixture(scope="module")
def basis(replayed: Workspace) -> GainBasis:
    return summarize_basis(replayed, "replay")


@pytest.fixture(scope="module")
def units(replayed: Workspace) -> pd.DataFrame:
    """Return every decision with its outcome and site."""

    def read(dataset: str) -> pd.DataFrame:
        files = [replayed.lake.local_file(entry) for entry in replayed.lake.entries(dataset, DECIDED).values()]
        return pd.concat([pq.read_table(file).to_pandas() for file in files])

    decisions = read("decisions/replay").merge(read("outcomes")[["id", "late"]], on="id")
    return decisions.merge(read("features")[["id", "site"]], on="id")


def pay(units: pd.DataFrame, column: str, gain: float, cost: float) -> float:
    acted = units[column] == "act"
    return float((acted * (gain * units["late"] - cost)).sum())


def gain_of(units: pd.DataFrame, gain: float = 10.0, cost: float = 3.0) -> float:
    return pay(units, "action", gain, cost) - pay(units, "current_action", gain, cost)


def test_each_payoff_gives_the_gain_that_pandas_computes(basis: GainBasis, units: pd.DataFrame) -> None:
    by_kind = {sensitivity.payoff.kind: sensitivity for sensitivity in basis.payoffs}
    assert set(by_kind) == {"cost", "gain"}
    costs, gains = ([varied.gain for varied in by_kind[kind].gains] for kind in ("cost", "gain"))
    assert costs == [pytest.approx(gain_of(units, cost=3 * (1 + change))) for change in PAYOFF_CHANGES]
    assert gains == [pytest.approx(gain_of(units, gain=10 * (1 + change))) for change in PAYOFF_CHANGES]
    for kind in ("cost", "gain"):
        break_even = by_kind[kind].break_even
        assert break_even is not None
        assert gain_of(units, **{kind: break_even}) == pytest.approx(0.0, abs=1e-9)
    assert basis.success is not None and basis.opportunity_cost is not None
    assert [v.gain for v in basis.success.gains] == pytest.approx([gain_of(units, gain=10 * r) for r in SUCCESS_RATES])
    assert [v.gain for v in basis.opportunity_cost.gains] == pytest.approx(
        [gain_of(units, cost=3 * (1 + share)) for share in OPPORTUNITY_COSTS]
    )


def test_the_unchanged_gain_is_the_official_figure(basis: GainBasis, replayed: Workspace) -> None:
    summary = summarize_kpi(replayed, "replay")
    assert basis.success is not None and basis.opportunity_cost is not None
    unchanged = [basis.success.gains[0], basis.opportunity_cost.gains[0], *(s.gains[1] for s in basis.payoffs)]
    assert {(varied.gain, varied.per_1000) for varied in unchanged} == {(summary.gain, summary.lift_vs_current)}


def test_calibration_and_hits_equal_those_of_scikit_learn(basis: GainBasis, units: pd.DataFrame) -> None:
    predicted = units[units["expected"].notna()]
    calibration, hits = basis.calibration, basis.hits
    assert calibration is not None and hits is not None
    mean_outcome, mean_prediction = calibration_curve(predicted["late"], predicted["expected"], n_bins=10)
    assert [b.mean_outcome for b in calibration.bins] == pytest.approx(mean_outcome)
    assert [b.mean_prediction for b in calibration.bins] == pytest.approx(mean_prediction)
    assert calibration.mean_squared_error == pytest.approx(brier_score_loss(predicted["late"], predicted["expected"]))
    for column, counts in (("action", hits.taken), ("current_action", hits.current)):
        (idles, alarms), (misses, acted) = confusion_matrix(units["late"], units[column] == "act")
        assert [*vars(counts).values()] == [acted, misses, alarms, idles]
    for segment in basis.segments:
        of_site = units[units["site"] == segment.name]
        assert segment.taken.recall == pytest.approx(recall_score(of_site["late"], of_site["action"] == "act"))


def test_the_actions_a_day_equal_those_of_pandas(basis: GainBasis, units: pd.DataFrame) -> None:
    assert basis.activity is not None and basis.period == "day"
    day = units["decided_at"].dt.tz_localize("UTC").dt.tz_convert("America/New_York").dt.date
    for column, activity in zip(("action", "current_action"), basis.activity, strict=True):
        by_day = (units[column] == "act").groupby(day).sum()
        assert (activity.mean, activity.peak) == (pytest.approx(by_day.mean()), by_day.max())
        assert activity.peak_period == f"{by_day.idxmax()}"


def test_without_all_accounts_no_figure_is_shown(tmp_path: Path) -> None:
    """A home of an earlier version has no sums. They must also be those of the decisions in the KPI accounts."""
    ws = decided_home(tmp_path)
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    for key in KEYS:
        ws.lake.drop(unit_sums_dataset("replay"), key)
    missing = summarize_basis(ws, "replay")
    cure = f"Calculate it again: sixtyforty run calls_in_time --from {KEYS[0]} --to {KEYS[2]}."
    assert missing.problem.startswith("What the gain rests on isn't calculated for 3 partitions")
    assert missing.problem.endswith(cure)
    assert (missing.payoffs, missing.hits, missing.to_dict()["problem"]) == ([], None, missing.problem)
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert summarize_basis(ws, "replay").problem == ""
    entry = ws.lake.entry(unit_sums_dataset("replay"), KEYS[1])
    assert entry is not None
    for group in entry.facts["payoffs"]:
        group[1][1] += 1  # one more unit of money
    table = pq.read_table(ws.lake.local_file(entry))
    ws.lake.write(unit_sums_dataset("replay"), KEYS[1], table, inputs=entry.inputs, facts=entry.facts)
    assert "1 partition, or differs" in summarize_basis(ws, "replay").problem


def test_refused_figures_stay_refused(replayed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sixtyforty.accounting.refused_figures.describe_refusal", lambda *_: "they are wrong")
    with pytest.raises(RefusedFiguresError, match="they are wrong"):
        summarize_basis(replayed, "replay")


def test_a_live_experiment_says_why_nothing_is_varied(experiment: Workspace) -> None:
    basis = summarize_basis(experiment, "live")
    assert basis.payoffs == [] and basis.hits is None
    assert basis.notes[0].startswith("The gain is measured by comparing two groups")
