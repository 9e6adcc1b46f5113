"""break_even: how much knowledge, and how much sound data, may be lost before today's process is as good."""

from __future__ import annotations

import dagster as dg

from assets.stage import Published, Result, Step, stage
from assets.tables import image, table
from sixtyforty.accounting import degradation, kpi_ledger
from sixtyforty.accounting.break_even import DATASET, Point, bearable, recorded, told, work_out
from sixtyforty.reports import charts
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The break-even curve of a use case."""
    return [
        stage(
            use_case,
            DATASET,
            _break_even,
            phase="evaluation",
            kinds={"duckdb"},
            deps=["decisions", "outcomes", "degradation"],
            partitioned=False,
            description="The value of good knowledge and good data: how much of either may be lost before the present"
            " process, or a random choice, is as good.",
        )
    ]


def _break_even(step: Step) -> Result:
    points = work_out(step.ws, step.clock.track)
    if not points:
        step.log.info("break_even: the model hasn't decided anything whose outcome is known")
        return Result()
    entry, said = recorded(step.ws)[0], told(step.ws)
    faults = bearable(degradation.recorded(step.ws))
    shown: dict[str, object] = {
        "in words": "\n\n".join(said),
        "label": kpi_ledger.label(step.use_case, "replay"),
        "curve": image(charts.break_even(step.use_case.kpi, points), "break-even curve"),
        "knowledge lost, lift per 1,000": table([_row(p) for p in points]),
    }
    if faults:
        shown["data hit unnoticed, share that is bearable"] = table(
            [
                {"feed": feed, "fault": fault, "share": "all" if s is None else f"{s:.0%}"}
                for (feed, fault), s in faults.items()
            ]
        )
    step.log.info(f"break_even: {said[0]}")
    return Result({SNAPSHOT: Published(entry.version if entry else "", shown)})


def _row(point: Point) -> dict[str, object]:
    return {
        "lost": f"{point.lost:.0%}",
        "over the current process": round(point.present.value),
        "over a random choice": round(point.coin.value),
    }
