"""The current state, before any model: what data there is and how good, what the project knows of it already, and what
today's process is worth on the KPI.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sixtyforty.accounting import kpi_ledger
from sixtyforty.ingest.profiling import Column, of_columns
from sixtyforty.reports.findings import findings
from sixtyforty.reports.impact_report import pages
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.lake import write_atomic
from sixtyforty.value.lift import day, summary
from sixtyforty.workspace import Workspace

PROFILED = 200_000  # rows of a source, the newest
ALIKE = 0.5  # share of the smaller source's columns that two have in common, from which they are alike
NEWEST = 3  # findings told of another use case


@dataclass(frozen=True)
class Feed:
    """What there is of a source. Partitions are those with rows; `gaps`: how many between first and last have none.

    `behind`: days from the end of its newest partition to the moment it was looked at; None of a table taken whole.
    `columns` are those of the newest `profiled` accepted rows; of personal ones nothing is told but how many lack.
    """

    name: str
    description: str
    origin: str
    extracts: int
    refused: int
    landed: int
    accepted: int
    aside: int
    rejected: int
    first: str | None
    last: str | None
    gaps: int
    behind: int | None
    profiled: int
    duplicates: int
    columns: tuple[Column, ...]
    personal: tuple[str, ...]

    @property
    def quality(self) -> float | None:
        """Share of the rows landed that governance let through."""
        return self.accepted / self.landed if self.landed else None


@dataclass(frozen=True)
class Alike:
    """A source of another use case that is much like one of this one's, and what was found there."""

    source: str
    use_case: str
    title: str
    theirs: str
    shared: tuple[str, ...]
    why: str
    findings: tuple[str, ...]


@dataclass(frozen=True)
class State:
    """All of it. `today`: what the current process is worth (impact.summary), None while that can't be told; `why`."""

    feeds: tuple[Feed, ...]
    alike: tuple[Alike, ...]
    today: dict[str, Any] | None
    why: str


def look(ws: Workspace, others: Sequence[Workspace], moment: datetime) -> State:
    """The state at a UTC moment. others: the workspaces of the project's other use cases, drafts among them."""
    feeds = tuple(_feed(ws, name, source, moment) for name, source in ws.use_case.sources.items())
    draft = isinstance(ws.use_case, Draft)
    today = None if draft else present(ws)
    why = "" if today else "it is a draft" if draft else "no unit has an outcome that is known yet"
    return State(feeds, tuple(a for other in others for a in _alike(ws, other)), today, why)


def _feed(ws: Workspace, name: str, source: Source, moment: datetime) -> Feed:
    case, lake = ws.use_case, ws.lake
    raw, accepted = lake.entries(f"raw/{name}"), lake.entries(f"validated/{name}")
    known = ws.landing.known(name)
    keys = sorted(p for p, e in raw.items() if e.rows)
    span = len(case.span(keys[0], keys[-1])) if keys and source.partition else len(keys)
    due = min(moment, case.closes(case.limits[1])) if case.partitions.end else moment
    behind = max(0, (due - case.closes(keys[-1])).days) if keys and source.partition else None
    newest, profiled = [], 0
    for partition in sorted(accepted, reverse=True):
        if profiled >= PROFILED:
            break
        newest.append(accepted[partition])
        profiled += accepted[partition].rows
    columns: tuple[Column, ...] = ()
    duplicates = 0
    if profiled:
        said = ", ".join(f'"{c}"' for c in source.columns)
        with connect(case.timezone) as db:
            # a table: the profile asks of it dozens of times, and the files are many
            db.execute(f"create or replace temp table profiled as select {said} from {lake.rows(newest)}")
            _, columns, duplicates = of_columns(db, "profiled")
    return Feed(
        name=name,
        description=source.description,
        origin=source.origin,
        extracts=len(known),
        refused=sum(e.problem is not None for e in known),
        landed=sum(e.rows for e in raw.values()),
        accepted=sum(e.rows for e in accepted.values()),
        aside=sum(e.rows for e in lake.entries(f"quarantine/{name}").values()),
        rejected=len(lake.partitions(f"rejected/{name}")),
        first=keys[0] if keys and keys[0] != SNAPSHOT else None,
        last=keys[-1] if keys and keys[-1] != SNAPSHOT else None,
        gaps=span - len(keys),
        behind=behind,
        profiled=profiled,
        duplicates=duplicates,
        columns=columns,
        personal=tuple(source.personal),
    )


def _alike(ws: Workspace, other: Workspace) -> list[Alike]:
    found = []
    for mine, source in ws.use_case.sources.items():
        for theirs, another in other.use_case.sources.items():
            shared = tuple(c for c in source.columns if c in another.columns)
            common = len(shared) / min(len(source.columns), len(another.columns))
            same = source.files is not None and (source.location, source.files) == (another.location, another.files)
            same = (same and source.location is not None) or bool(source.query and source.query == another.query)
            if same or (common >= ALIKE and len(shared) > 1):
                why = "the same extracts" if same else f"{len(shared)} columns alike"
                said = tuple(f"{f.title}: {f.text}" for f in findings(other).rows()[-NEWEST:][::-1])
                found.append(Alike(mine, other.use_case.name, other.use_case.title, theirs, shared, why, said))
    return found


def present(ws: Workspace) -> dict[str, Any] | None:
    """The money as the current process decides it, by the outcomes known (impact.summary): no model is needed for that.

    None without such an outcome. All units are taken together: the random choice has the current process's own mix
    of actions, over all of them.
    """
    case, lake = ws.use_case, ws.lake
    features, outcomes = lake.entries("features"), lake.entries("outcomes")
    both = [p for p in case.deciding(features) if p in outcomes and features[p].rows and outcomes[p].rows]
    if not both:
        return None
    key = ", ".join(f'"{c}"' for c in case.decision.key)
    also = "".join([*(f', f."{c}"' for c in case.kpi.priced), *(f', o."{c}"' for c in case.kpi.became[1:])])
    needed = [*(f'o."{c}"' for c in case.kpi.became), *(f'f."{c}"' for c in case.kpi.priced)]
    with connect(case.timezone) as db:
        rows = db.execute(
            f"""select _partition, f.decided_at, f.current_action, f.current_action as action,
                o."{case.kpi.outcome}" as "an outcome"{also}
            from {lake.rows([features[p] for p in both])} f join {lake.rows([outcomes[p] for p in both])} o
            using (_partition, {key}) where {" and ".join(f"{c} is not null" for c in needed)}
            order by _partition, f.decided_at, {key}"""
        ).df()
    if rows.empty:
        return None
    whole = summary(case.kpi, [day(case.kpi, "all", rows, rows["an outcome"].to_numpy(float))])
    first, last = str(rows["_partition"].iloc[0]), str(rows["_partition"].iloc[-1])
    return whole | {"from": first, "to": last, "label": kpi_ledger.label(case, "replay")}


def write(ws: Workspace, state: State, moment: datetime) -> Path:
    """Writes `current_state.html` for people, and returns its path."""
    path = ws.reports / "current_state.html"
    page = (
        pages()
        .get_template("current_state.html")
        .render(use_case=ws.use_case, state=state, moment=moment, missing=getattr(ws.use_case, "missing", ()))
    )
    write_atomic(path, page.encode())
    return path
