"""The model record: what was tried, found and decided, on which data, for whoever comes next. Markdown, versioned.

`reports/<use case>/records/<track>/<number>-<hash>.md` keeps each record that said something new; the newest is also
`model_record.md`. Neither number nor hash knows the wall clock: the same history gives the same files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sixtyforty.accounting import acceptance, break_even, degradation, kpi_ledger
from sixtyforty.accounting.forecast import aim, forecast
from sixtyforty.reports import findings
from sixtyforty.reports.findings import Finding
from sixtyforty.reports.impact_report import pages
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import alone, digest, write_atomic
from sixtyforty.value.lift import by_period
from sixtyforty.workspace import Workspace

NEWEST = "model_record.md"
TRACKS = ("replay", "live")
BY_HAND = "Findings"  # the section of what people added
MEANING = {
    "exact": "the decision doesn't change the outcome, so each way of deciding is paid on what really happened.",
    "assumed": "what would have happened otherwise is an assumption, not a measurement.",
    "randomized": "units were assigned to the current process at random, and the difference is what the action did.",
}


def write(ws: Workspace, track: str) -> Path:
    """Writes the record, as a new version unless it says what the newest says; returns the newest's path."""
    said = text(ws, track).encode()
    with alone(ws.reports / "records" / "records.lock"):
        have = versions(ws, track)
        if not have or have[-1].read_bytes() != said:
            number = int(have[-1].name.split("-")[0]) + 1 if have else 1
            write_atomic(ws.reports / "records" / track / f"{number:04}-{digest(said)[:8]}.md", said)
        write_atomic(ws.reports / NEWEST, said)
    return ws.reports / NEWEST


def versions(ws: Workspace, track: str) -> list[Path]:
    """All versions of a track's record, oldest first."""
    return sorted((ws.reports / "records" / track).glob("*.md"), key=lambda p: int(p.name.split("-")[0]))


def note(ws: Workspace, by: str, text: str, title: str = "") -> Finding:
    """Keeps a finding, and has it in the records there are. Raises findings.FindingError where it says nothing."""
    kept = findings.add(ws, by, text, title)
    for track in TRACKS:
        if versions(ws, track):
            write(ws, track)
    return kept


def text(ws: Workspace, track: str) -> str:
    """The record of a track, as it is now."""
    return pages().get_template("model_record.md").render(**facts(ws, track))


def facts(ws: Workspace, track: str) -> dict[str, Any]:
    """All the record says, as data."""
    case, rows, days = ws.use_case, [r for r in ws.ledger.rows() if r.track == track], kpi_ledger.days(ws, track)
    champions, found = ws.ledger.champions(track), kpi_ledger.summary(ws, track)
    lost = {m: sum(d.model - d.current_process for d in ds) for m, ds in by_period(days).items()}
    return {
        "use_case": case,
        "people": case.people,
        "kpi": case.kpi,
        "track": track,
        "current_process": case.sql("current_process").strip(),
        "sources": [_source(ws, case, name) for name in case.sources],
        "card": ws.models.card(champions[-1].version) if champions else None,
        "code": ws.code,
        "found": found,
        "meaning": MEANING[found["label"]],
        "losing_months": [m for m, net in lost.items() if net < 0],
        "losing_segments": [f"{s.column} {s.name}" for s in kpi_ledger.by_segment(ws, track) if s.loses],
        "used": acceptance.told(ws, acceptance.facts(ws, track)) if case.people.responses else [],
        "candidates": [(c, f) for n, c in case.kpi.candidates.items() if (f := found["candidates"][n])["decisions"]],
        "champions": champions,
        "by_hand": [r for r in rows if r.by != "gate"],
        "failed": [r for r in rows if r.verdict in ("REJECT", "HOLD")],
        "how_good": break_even.told(ws),
        "faults": degradation.recorded(ws),
        "forecast": forecast(ws, track),
        "aim": aim(case.kpi, found["lift_vs_current"], found["label"]),
        "tried": [(r, ws.models.card(r.version)) for r in rows],
        "passages": ws.progress.rows(),
        "findings": findings.findings(ws).rows(),
    }


def _source(ws: Workspace, case: UseCase, name: str) -> dict[str, Any]:
    source = case.sources[name]
    return {
        "name": name,
        "description": source.description,
        "origin": source.origin,
        "accepted": len(ws.lake.partitions(f"validated/{name}")),
        "refused": len(ws.lake.partitions(f"rejected/{name}")),
        "aside": sum(e.rows for e in ws.lake.entries(f"quarantine/{name}").values()),
    }


@dataclass(frozen=True)
class Hit:
    """Something that was looked for: a finding, or a section of a record, in the newest version that holds it.

    `number`: the finding's or the version's. `track` and `at` (UTC): of a record, of a finding; else None.
    """

    kind: Literal["finding", "record"]
    number: int
    track: str | None
    at: str | None
    title: str
    text: str


def search(ws: Workspace, words: str) -> list[Hit]:
    """What holds all the words, whatever their case: findings first, then records, each the newest first.

    A finding is there whole, of a section the lines with any of the words. Raises ValueError without a word.
    """
    wanted = words.casefold().split()
    if not wanted:
        raise ValueError("say what to look for: a word or more")
    hits = [
        Hit("finding", f.seq, None, f.recorded_at, f.title, f.text)
        for f in reversed(findings.findings(ws).rows())
        if _holds(f"{f.title}\n{f.text}\n{f.by}", wanted)
    ]
    for track in TRACKS:
        seen = {BY_HAND}
        for path in reversed(versions(ws, track)):
            for section in path.read_text().split("\n## ")[1:]:
                title, _, body = section.partition("\n")
                if title in seen or not _holds(section, wanted):
                    continue
                seen.add(title)
                lines = [x for x in body.splitlines() if any(w in x.casefold() for w in wanted)]
                hits.append(Hit("record", int(path.name.split("-")[0]), track, None, title, "\n".join(lines)))
    return hits


def _holds(said: str, wanted: list[str]) -> bool:
    return all(word in said.casefold() for word in wanted)
