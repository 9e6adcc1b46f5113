"""The asset `build_or_buy`: building, each vendor and the current process, compared on the same decisions."""

from __future__ import annotations

from dataclasses import asdict

from assets.metadata import Metadata, table
from assets.stage import StageResult, StageRun
from sixtyforty.accounting import build_or_buy, kpi_ledger
from sixtyforty.accounting.refused_figures import RefusedFiguresError
from sixtyforty.storage.files import digest


def compare_build_or_buy(run: StageRun) -> StageResult:
    """Compare building, each vendor and the current process on the same decisions, with their costs."""
    if not kpi_ledger.read_daily_values(run.ws, run.track):
        return StageResult()
    try:
        scorecard = build_or_buy.score_build_or_buy(run.ws, run.track)
    except build_or_buy.SourcingError as error:
        run.log.info(f"build_or_buy: skipped ({error})")
        return StageResult()
    except RefusedFiguresError as error:
        run.log.error(f"build_or_buy: no comparison, because the figures can't be trusted ({error})")
        return StageResult()
    metadata: Metadata = {
        "verdict": scorecard.verdict,
        "why": "\n".join(scorecard.why),
        "label": scorecard.label,
        "capability in the organization": scorecard.capability,
        "strategic": scorecard.strategic,
        f"options, {scorecard.unit} over {scorecard.months} months": table([asdict(way) for way in scorecard.ways]),
        "what would change the verdict": table([asdict(scenario) for scenario in scorecard.scenarios]),
    }
    run.log.info(f"build_or_buy: building compared with buying (verdict: {scorecard.verdict}; {scorecard.label})")
    return StageResult.snapshot(digest(scorecard.to_dict()), metadata)
