"""Commands about buying predictions instead of building a model: build-or-buy and vendor-extract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.answer import Answer
from pipelines.cli.commands import BUILD, command
from pipelines.cli.options import By, FirstDay, LastDay, TrackName, UseCaseName, Why, current_user

if TYPE_CHECKING:
    from sixtyforty.accounting.build_or_buy import Scorecard, WayScore


@dataclass(frozen=True, kw_only=True)
class BuildOrBuyAnswer(Answer):
    """Answer of `sixtyforty build-or-buy`: the scorecard of building the model or buying predictions."""

    scorecard: Annotated[
        Mapping[str, Any],
        {
            "verdict": "The verdict: build, a vendor's name, or neither.",
            "why": "The reasons for the verdict, one sentence each.",
            "label": "exact, assumed or randomized: how the value is known.",
            "unit": "Currency of the money, not a unit that is decided about.",
            "capability": "Whether the company can build and run the use case itself, as declared.",
            "strategic": "Whether the use case is an advantage over competitors, so that it is built, not bought.",
            "strategic_reason": "The declared reason why the use case is strategic, or why it isn't.",
            "units_a_month": "Decisions a month.",
            "months": "Months that the scorecard covers.",
            "discount": "Yearly discount rate.",
            "growth": "Yearly growth of the number of decisions.",
            "ways": "One object for building and for each vendor: gain, cost, net_present_value, roi,"
            " break_even_price_per_decision.",
            "scenarios": "The verdict if one declared assumption changes, one object for each change.",
            "vendors_without_decisions": "Declared vendors without a known value: no prediction has arrived, or nobody"
            " took their actions.",
        },
    ]


@command(BUILD, "build-or-buy", "{demo}")
def build_or_buy(use_case: UseCaseName, track: TrackName = "replay") -> BuildOrBuyAnswer:
    """Compare building the model with buying each vendor's predictions."""
    from pipelines.authoring import catalog
    from sixtyforty.accounting.build_or_buy import score_build_or_buy

    scorecard = score_build_or_buy(catalog.open_workspace(use_case), track)
    return BuildOrBuyAnswer(scorecard=scorecard.to_dict(), text="\n".join(_scorecard_lines(scorecard)))


def _scorecard_lines(scorecard: Scorecard) -> list[str]:
    strategic = "strategic" if scorecard.strategic else "not strategic"
    return [
        f"The capability {scorecard.capability} and is {strategic}: {scorecard.strategic_reason}",
        f"{scorecard.unit} over {scorecard.months} months, discounted by {scorecard.discount:.0%} a year"
        f" ({scorecard.label}):",
        f"{'':24}{'gain per 1,000':>16}{'gain':>16}{'cost':>16}{'net benefit':>16}",
        *map(_way_line, scorecard.ways),
        f"Verdict: {scorecard.verdict}",
        *scorecard.why,
        *(f"If {scenario.assumption}: {scenario.verdict}" for scenario in scorecard.scenarios if scenario.changes),
    ]


def _way_line(score: WayScore) -> str:
    measured = "unknown" if score.gain_per_1000 is None else f"{score.gain_per_1000:+,.0f}"
    return f"{score.way:24}{measured:>16}{score.gain:>+16,.0f}{score.cost:>16,.0f}{score.net_present_value:>+16,.0f}"


@dataclass(frozen=True, kw_only=True)
class VendorExtractAnswer(Answer):
    """Answer of `sixtyforty vendor-extract`: the written extract, as the ledger of vendor extracts records it."""

    path: Annotated[Path, "The file that was written."]
    row: Annotated[
        Mapping[str, Any],
        {
            "seq": "Number of the ledger row.",
            "recorded_at": "UTC time at which the ledger row was written.",
            "use_case": "First name of the use case.",
            "by": "The person who gave the extract to the vendor.",
            "why": "The reason for the vendor extract.",
            "vendor": "Name of the vendor, as in sourcing.vendors.",
            "first": "First partition of the extract.",
            "last": "Last partition of the extract.",
            "rows": "Number of units in the extract.",
            "columns": "Columns of the file.",
            "left_out": "Personal columns that were left out.",
            "sha256": "SHA-256 of the file.",
            "previous_hash": "Hash of the ledger's previous row.",
            "hash": "Hash of the ledger row.",
        },
    ]


@command(
    BUILD,
    "vendor-extract",
    "{demo} --vendor skycast --folder out --from 2013-06-01 --to 2013-06-30 --why 'trial of June'",
)
def vendor_extract(
    use_case: UseCaseName,
    vendor: Annotated[str, typer.Option(metavar="NAME", help="Name of the vendor, as in sourcing.vendors.")],
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write the extract to.")],
    first: FirstDay,
    last: LastDay,
    why: Why,
    by: By = "",
) -> VendorExtractAnswer:
    """Write an extract for a vendor to predict on: units and the data known about them, without personal columns."""
    from pipelines.authoring import catalog
    from sixtyforty.lifecycle.vendor_extracts import write_vendor_extract

    ws = catalog.open_workspace(use_case)
    partitions = ws.use_case.covering_days(first, last)
    path, row = write_vendor_extract(ws, vendor, partitions, folder.resolve(), by or current_user(), why)
    left_out = f". Personal columns left out: {', '.join(row.left_out)}" if row.left_out else ""
    text = f"Wrote {row.rows:,} {ws.use_case.kpi.unit_plural} to {path}{left_out}"
    return VendorExtractAnswer(path=path, row=row.model_dump(), text=text)
