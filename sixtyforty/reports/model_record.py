"""The model record: a Markdown document about a track's models. It says what was tried, found and decided, and why.

Whenever its text changes, a new version is written to `reports/<use case>/records/<track>/<number>-<hash>.md`. The
newest version is also in `model_record.md`. Neither the number nor the hash depends on the clock, so the same history
gives the same files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sixtyforty.accounting.acceptance import summarize_acceptance
from sixtyforty.accounting.acceptance_messages import explain_acceptance
from sixtyforty.accounting.break_even import explain_break_even
from sixtyforty.accounting.degradation import FaultImpact, read_impacts
from sixtyforty.accounting.forecast import ForecastRecord, explain_target, read_forecasts
from sixtyforty.accounting.gain_basis import GainBasis, summarize_basis
from sixtyforty.accounting.kpi_ledger import read_daily_values
from sixtyforty.accounting.kpi_summary import KpiSummary, summarize_kpi, summarize_nothing, summarize_segments
from sixtyforty.accounting.refused_figures import describe_refusal
from sixtyforty.decisions.column_labels import read_labels
from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.reports.findings import Finding, add_finding, open_findings
from sixtyforty.reports.page_templates import page_environment
from sixtyforty.spec.actions import Candidate
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.storage.files import digest, write_atomic
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.storage.stage_ledger import StageEvent
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.daily_values import group_by_period
from sixtyforty.value.summary import CandidateSummary
from sixtyforty.workspace import Workspace

NEWEST_RECORD = "model_record.md"
TRACKS: tuple[Track, ...] = ("replay", "live")
FINDINGS_SECTION = "Findings"
MEANING_OF_LABEL = {
    "exact": "The decision doesn't change the outcome, so each way of deciding is valued on the same outcomes.",
    "assumed": "What would have happened without the action is assumed, not measured.",
    "randomized": "Units were assigned to the current process at random. The difference is the effect of the action.",
}


class SearchError(SixtyfortyError):
    """The text to search for contains no word."""


@dataclass(frozen=True)
class SourceCounts:
    """A source of the use case, with the number of accepted partitions, rejected partitions and quarantined rows."""

    name: str
    description: str
    origin: str
    accepted: int
    rejected: int
    quarantined: int


@dataclass(frozen=True)
class RecordFacts:
    """Everything that a model record shows.

    `card`: the model card of the newest champion; None without a champion. `refusal`: why the figures can't be trusted
    and aren't shown; None if they can. `basis`: what the gain rests on; None without a known outcome, or if the figures
    are refused.
    """

    use_case: UseCase
    track: Track
    current_process: str
    sources: list[SourceCounts]
    card: ModelCard | None
    code: str
    summary: KpiSummary
    refusal: str | None
    basis: GainBasis | None
    meaning: str
    losing_periods: list[str]
    losing_segments: list[str]
    usage_sentences: list[str]
    candidates: list[tuple[Candidate, CandidateSummary]]
    champions: list[ChampionRow]
    by_hand: list[ChampionRow]
    not_promoted: list[ChampionRow]
    break_even_sentences: list[str]
    fault_impacts: list[FaultImpact]
    forecasts: ForecastRecord
    target_progress: str
    attempts: list[tuple[ChampionRow, ModelCard]]
    stage_events: list[StageEvent]
    findings: list[Finding]


def write_record(ws: Workspace, track: Track) -> Path:
    """Write a track's model record to `model_record.md`, and return the path of this file.

    If the text of the record has changed, the record is also written as a new version.
    """
    text = render_record(ws, track).encode()
    with exclusive_lock(ws.reports / "records" / "records.lock", "write the model record"):
        versions = record_versions(ws, track)
        if not versions or versions[-1].read_bytes() != text:
            number = version_number(versions[-1]) + 1 if versions else 1
            write_atomic(ws.reports / "records" / track / f"{number:04}-{digest(text)[:8]}.md", text)
        write_atomic(ws.reports / NEWEST_RECORD, text)
    return ws.reports / NEWEST_RECORD


def record_versions(ws: Workspace, track: Track) -> list[Path]:
    """Return the files that store the versions of a track's model record, oldest first."""
    return sorted((ws.reports / "records" / track).glob("*.md"), key=version_number)


def version_number(path: Path) -> int:
    """Return the version number in the file name of a model record, such as 12 for `0012-3f2a9c1e.md`."""
    return int(path.name.split("-")[0])


def record_finding(ws: Workspace, by: str, text: str, title: str = "") -> Finding:
    """Record a person's finding and write the existing model records again, so that they show the finding.

    Raises FindingError if the text or the name is empty.
    """
    finding = add_finding(ws, by, text, title)
    for track in TRACKS:
        if record_versions(ws, track):
            write_record(ws, track)
    return finding


def render_record(ws: Workspace, track: Track) -> str:
    """Return the current text of a track's model record, in Markdown."""
    facts = collect_facts(ws, track)
    return page_environment().get_template("model_record.md").render(**vars(facts))


def collect_facts(ws: Workspace, track: Track) -> RecordFacts:
    """Return everything that the model record of a track shows."""
    use_case, kpi = ws.use_case, ws.use_case.kpi
    rows = ws.champion_ledger.rows_of(track)
    refusal, champions = describe_refusal(ws, track), ws.champion_ledger.sound_promotions(track)
    days = [] if refusal else read_daily_values(ws, track)
    summary = summarize_nothing(ws, track) if refusal else summarize_kpi(ws, track, daily_values=days)
    return RecordFacts(
        use_case=use_case,
        track=track,
        current_process=use_case.sql("current_process").strip(),
        sources=[_count_source(ws, name) for name in use_case.sources],
        card=ws.models.card(champions[-1].version) if champions else None,
        code=ws.code_version,
        summary=summary,
        refusal=refusal,
        basis=summarize_basis(ws, track, days) if days else None,
        meaning=MEANING_OF_LABEL[summary.label],
        losing_periods=_losing_periods(days),
        losing_segments=[] if refusal else _losing_segments(ws, track),
        usage_sentences=explain_acceptance(ws.use_case, summarize_acceptance(ws, track))
        if use_case.people.responses
        else [],
        candidates=_valued_candidates(kpi, summary),
        champions=champions,
        by_hand=[r for r in rows if r.by != "gate"],
        not_promoted=[r for r in rows if r.verdict in ("REJECT", "HOLD")],
        break_even_sentences=[] if refusal else explain_break_even(ws),
        fault_impacts=[] if refusal else read_impacts(ws),
        forecasts=read_forecasts(ws, track, daily_values=days),
        target_progress=explain_target(kpi, summary.counted, summary.label, summary.invalid_because),
        attempts=[(r, ws.models.card(r.version)) for r in rows if r.verdict != "REBUILD"],
        stage_events=ws.stage_ledger.rows(),
        findings=open_findings(ws).rows(),
    )


def _losing_segments(ws: Workspace, track: Track) -> list[str]:
    labels = read_labels(ws)
    return [f"{s.column} {labels.text(s.column, s.name)}" for s in summarize_segments(ws, track) if s.loses]


def _count_source(ws: Workspace, name: str) -> SourceCounts:
    source = ws.use_case.sources[name]
    return SourceCounts(
        name=name,
        description=source.description,
        origin=source.origin,
        accepted=len(ws.lake.partitions(f"validated/{name}")),
        rejected=len(ws.lake.partitions(f"rejected/{name}")),
        quarantined=sum(e.rows for e in ws.lake.entries(f"quarantine/{name}").values()),
    )


def _losing_periods(days: Sequence[DailyValue]) -> list[str]:
    gains = {
        period: sum(d.model - d.current_process for d in period_days)
        for period, period_days in group_by_period(days).items()
    }
    return [period for period, gain in gains.items() if gain < 0]


def _valued_candidates(kpi: Kpi, summary: KpiSummary) -> list[tuple[Candidate, CandidateSummary]]:
    figures = summary.candidates
    return [(c, figures[name]) for name, c in kpi.candidates.items() if figures[name].decisions]


@dataclass(frozen=True)
class RecordHit:
    """A passage that matches a search: a finding, or a section of a model record.

    number: the number of the finding, or the version number of the record.
    track: the record's track; None for a finding.
    at: the UTC time at which the finding was recorded; None for a record.
    """

    kind: Literal["finding", "record"]
    number: int
    track: Track | None
    at: str | None
    title: str
    text: str


def search_records(ws: Workspace, words: str) -> list[RecordHit]:
    """Return the findings, then the sections of model records, that contain all the words in any letter case.

    Findings and records are ordered from newest to oldest. Of a finding, the whole text is returned. Of a section, only
    the lines with a searched word are returned, from the newest version of the record that matches. Raises SearchError
    if `words` contains no word.
    """
    terms = split_words(words)
    hits = [
        RecordHit("finding", f.seq, None, f.recorded_at, f.title, f.text)
        for f in reversed(open_findings(ws).rows())
        if _holds_all(f"{f.title}\n{f.text}\n{f.by}", terms)
    ]
    for track in TRACKS:
        hits += _search_sections(ws, track, terms)
    return hits


def split_words(words: str) -> list[str]:
    """Return the words of a search text, in lower case. Raises SearchError if the text contains no word."""
    terms = words.casefold().split()
    if not terms:
        raise SearchError("The search text contains no words. Give at least one word to search for.")
    return terms


def _search_sections(ws: Workspace, track: Track, terms: Sequence[str]) -> Iterator[RecordHit]:
    seen_titles = {FINDINGS_SECTION}  # findings are searched in their ledger
    for path in reversed(record_versions(ws, track)):
        for section in path.read_text().split("\n## ")[1:]:
            title, _, body = section.partition("\n")
            if title not in seen_titles and _holds_all(section, terms):
                seen_titles.add(title)
                lines = [line for line in body.splitlines() if any(term in line.casefold() for term in terms)]
                yield RecordHit("record", version_number(path), track, None, title, "\n".join(lines))


def _holds_all(text: str, terms: Sequence[str]) -> bool:
    return all(term in text.casefold() for term in terms)
