"""current_state: what there is before any model. Of drafts as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import dagster as dg

from assets.stage import Published, Result, Step, stage
from assets.tables import table
from sixtyforty.reports import current_state
from sixtyforty.spec.clock import now
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import digest

POLICIES = {
    "current_process": "current process",
    "random_choice": "random choice",
    "perfect_foresight": "perfect foresight",
}


def assets(use_case: UseCase, load: Callable[[], Sequence[UseCase]]) -> list[dg.AssetsDefinition]:
    """The current state of a use case. load: all use cases of the project, once they are needed."""
    draft = isinstance(use_case, Draft)
    blanks = "".join(f"\n- {b}" for b in use_case.missing) if isinstance(use_case, Draft) else ""
    return [
        stage(
            use_case,
            "current_state",
            partial(_current_state, load),
            phase="data_understanding",
            kinds={"duckdb", "html"},
            deps=[*(f"validated/{s}" for s in use_case.inputs), *([] if draft else ["features", "outcomes"])],
            partitioned=False,
            description="Before any model: what data there is and how good, what the project knows of it already, and"
            " what today's process is worth." + (f"\n\nA draft. Still to be filled in:{blanks}" if blanks else ""),
        )
    ]


def _current_state(load: Callable[[], Sequence[UseCase]], step: Step) -> Result:
    moment = step.clock.moment() or now()
    others = [step.place.workspace(c) for c in load() if c.name != step.use_case.name]
    found = current_state.look(step.ws, others, moment)
    path = current_state.write(step.ws, found, moment)
    shown: dict[str, Any] = {
        "page": dg.MetadataValue.path(str(path)),
        "sources": table([_row(f) for f in found.feeds]),
    }
    shown |= {f"columns of {f.name}": table(_columns(f)) for f in found.feeds if f.columns}
    if found.today:
        per = found.today["per_1000"]
        unit, label = found.today["unit"], found.today["label"]
        rows = [{"decided by": said, unit: per[p], "label": label} for p, said in POLICIES.items()]
        shown["today, per 1,000"] = table(rows)
    else:
        shown["today, per 1,000"] = f"can't be told yet: {found.why}"
    if found.alike:
        shown["already in the project"] = table(
            [
                {
                    "source": a.source,
                    "use case": a.use_case,
                    "theirs": a.theirs,
                    "why": a.why,
                    "columns": ", ".join(a.shared),
                    "findings": "; ".join(a.findings),
                }
                for a in found.alike
            ]
        )
    if isinstance(step.use_case, Draft):
        shown["missing"] = table(
            [{"what": b.what, "where": f"{b.file.name}:{b.line}", "why": b.why} for b in step.use_case.missing]
        )
    step.log.info(f"current_state: {path}")
    return Result({SNAPSHOT: Published(digest(repr(found)), shown)})


def _row(f: current_state.Feed) -> dict[str, object]:
    return {
        "source": f.name,
        "extracts": f.extracts,
        "rows": f.landed,
        "let through": f.accepted,
        "set apart": f.aside,
        "partitions refused": f.rejected,
        "from": f.first or "",
        "to": f.last or "",
        "without rows": f.gaps,
        "days behind": "" if f.behind is None else str(f.behind),
    }


def _columns(f: current_state.Feed) -> list[dict[str, object]]:
    def said(value: object, column: str) -> str:
        return "" if column in f.personal or value is None or isinstance(value, str) else str(value)

    return [
        {
            "column": c.name,
            "type": c.kind,
            "missing": round(c.nulls / f.profiled, 4),
            "different": c.distinct,
            "from": said(c.low, c.name),
            "to": said(c.high, c.name),
        }
        for c in f.columns
    ]
