"""Do the work of the data stages: raw, validated, data_docs, features and outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from assets.arrivals import check_arrivals, record_arrivals, refuse_feed
from assets.metadata import Metadata, TableRow, table
from assets.page_links import data_docs_link
from assets.stage import (
    REFUSED,
    CheckResult,
    PublishedPartition,
    StageCheck,
    StageResult,
    StageRun,
    refusal_check,
)
from assets.stage_columns import describe_newest
from assets.unbuilt_features import FEATURES_BUILT, leave_to_current_process, sql_faults
from assets.verdict_checks import (
    check_rejected_now,
    rejected_partition,
    summarize_verdicts,
    verdict_check,
    verdict_figures,
)
from expectations.data_docs import build_docs
from expectations.serving_gate import check_features
from expectations.suites import load_suite
from expectations.validation import validate
from sixtyforty.ingest.arrivals import Arrival
from sixtyforty.ingest.quarantine import count_resubmitted
from sixtyforty.ingest.raw import ingest
from sixtyforty.ingest.retyped_columns import find_misfits
from sixtyforty.ingest.schema_drift import compare_columns
from sixtyforty.lifecycle.disk_budget import describe_exceeded
from sixtyforty.lifecycle.revocation import revoke_tainted_champions
from sixtyforty.modeling import built_by as built_by_fact
from sixtyforty.modeling import taint
from sixtyforty.modeling.constant_knowledge import date_constants, find_early_use, record_constants
from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.modeling.leakage import Leak
from sixtyforty.modeling.outcomes import build_outcomes
from sixtyforty.modeling.taint import TaintedPartition, merge_tainted, summarize_leaks
from sixtyforty.spec.clock import now
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.files import digest
from sixtyforty.storage.listed_extracts import listed_extracts
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.stored_tables import Rows, portions
from sixtyforty.storage.verdicts import Verdict, verdict_facts

EXTRACTS_READABLE = StageCheck("extracts_readable", "Every landed extract fits the data contract of its source.")
CONTRACT = StageCheck(
    "contract",
    "The partition passes the rules of its suite. A rejected partition isn't published.",
    each_partition=True,
)
CONSERVATION = StageCheck(
    "conservation", "Rows landed = rows accepted + quarantined + duplicates + superseded, in every partition."
)
FIT_FOR_MODEL = StageCheck(
    "fit_for_model",
    "Features pass the rules of their suite. The current process decides the units whose features don't.",
    each_partition=True,
)
NO_LEAKAGE = StageCheck(
    "no_leakage",
    "Features that are recomputed from the data known at a sampled decision time equal the features that were built.",
)
LEAKS_IN_SUMMARY, LEAKS_SHOWN = 5, 100
SHOWN_COLUMNS = 30  # a check names at most this many columns that the data contract lacks
NOTES_SHOWN = 20  # a run names at most this many notes about the headers of a source's extracts
RETYPED_SHARE = 0.01  # retyped columns are looked for in partitions with at least this share of quarantined rows
DESCRIPTION_LENGTH = 500  # maximum length of a check's description, which Dagster shows in one line


def import_extracts(run: StageRun) -> StageResult:
    """Import a source's extracts without changing their values, and check that each extract could be read."""
    refusal = run.upstream.refusal(run.source) or (describe_exceeded(run.ws) if run.track == "replay" else None)
    if refusal:
        return StageResult(checks=[refusal_check(EXTRACTS_READABLE.name, [refusal], "")])
    result, landing = StageResult(), run.ws.landing
    for group in run.partition_groups():
        entries = ingest(run.use_case, run.source, run.ws.lake, landing, group, run.ws.code_version)
        result.published |= {p: PublishedPartition(e.version, _raw_metadata(e)) for p, e in entries.items()}
    extracts = landing.known(run.source)
    refused = [extract for extract in extracts if extract.problem]
    unread = landing.unread.get(run.source, {})
    rows: list[TableRow] = [{"file": e.name, "lines": e.rows, "why": e.problem or ""} for e in refused]
    rows += [{"file": name, "lines": 0, "why": why} for name, why in unread.items()]
    late = landing.query_problems.get(run.source, [])
    rows += [{"file": "the query", "lines": 0, "why": why} for why in late]
    header_notes = _summarize_headers(landing.header_notes.get(run.source, {}))
    summary = f"{len(refused)} of {format_plural(len(extracts), 'extract')} refused"
    summary += f", {format_plural(len(unread), 'file')} not read" if unread else ""
    for row in rows:
        run.log.warning(f"raw {run.source}: problem with {row['file']}: {row['why']}")
    for note in header_notes:
        run.log.info(f"raw {run.source}: new extracts read ({note})")
    metadata: Metadata = {"extracts refused": table(rows)}
    if refusal := refuse_feed(run, extracts):
        metadata[REFUSED] = refusal
    if undeclared := _undeclared_columns(run, extracts):
        metadata["undeclared columns"] = undeclared
        run.log.info(
            f"raw {run.source}: columns left out, because the data contract doesn't declare them ({undeclared})"
        )
    if header_notes:
        metadata["headers of new extracts"] = "\n".join(header_notes)
    is_readable = bool(extracts) and not rows
    result.checks.append(CheckResult(EXTRACTS_READABLE.name, is_readable, metadata, warn=True, description=summary))
    run.log.info(f"raw {run.source}: imported ({format_plural(len(result.published), 'partition')}, {summary})")
    return result


def _undeclared_columns(run: StageRun, extracts: Sequence[Arrival]) -> str:
    """List the columns of extracts that the contract doesn't name, each with the newest extract that has it."""
    contract = run.use_case.sources[run.source]
    declared = {name for column in contract.columns for name in contract.names_of(column)}
    newest = {column: extract.name for extract in extracts for column in extract.undeclared if column not in declared}
    return ", ".join(f"{column} (newest: {newest[column]})" for column in sorted(newest)[:SHOWN_COLUMNS])


def _summarize_headers(notes: Mapping[str, Sequence[str]]) -> list[str]:
    """Merge equal notes about the headers of extracts, and count the extracts that each note is about.

    notes: the notes about each extract, by the name of its file.
    """
    counts = Counter(text for texts in notes.values() for text in texts)
    return [f"header of {format_plural(count, 'extract')}: {text}" for text, count in counts.most_common(NOTES_SHOWN)]


def _raw_metadata(entry: Entry) -> Metadata:
    extracts = listed_extracts(entry)
    return {
        "dagster/partition_row_count": entry.rows,
        "extracts": len(extracts),
        "files": ", ".join(extract.name for extract in extracts[:30]),
    }


def validate_source(run: StageRun) -> StageResult:
    """Check a source's partitions against its suite, publish accepted partitions, and check that no row is lost.

    A rejected partition isn't published; an earlier accepted version of the partition stays in force.
    """
    result, suite, source = StageResult(), load_suite(run.use_case.name, run.source), run.use_case.sources[run.source]
    verdicts: dict[str, Verdict] = {}
    docs = data_docs_link(run.use_case.name)
    for group in run.partition_groups():
        judged = validate(
            run.use_case, run.source, suite, run.ws.lake, group, run.clock.time_limit(), run.ws.code_version
        )
        entries = run.ws.lake.entries(f"validated/{run.source}", judged)
        resubmitted = count_resubmitted(run.ws.landing, run.source)
        for partition, verdict in judged.items():
            check_partition = partition if source.partition else None
            result.checks.append(verdict_check(CONTRACT.name, verdict, docs, check_partition))
            if verdict.accepted:
                figures = verdict_figures(verdict, resubmitted.get(partition, 0))
                result.published[partition] = PublishedPartition(entries[partition].version, figures)
            else:
                result.rejected[partition] = rejected_partition(verdict, docs, entries.get(partition))
                _log_rejection(run, verdict, has_earlier_version=partition in entries)
        record_arrivals(run, group)
        verdicts |= judged
    if verdicts and not any(verdict.accepted for verdict in verdicts.values()):
        partition, verdict = list(verdicts.items())[-1]
        reasons = "; ".join(verdict.reasons)
        result.checks[-1].metadata[REFUSED] = f"no partition of the run is accepted. {partition}: {reasons}"
    lost = [partition for partition, verdict in verdicts.items() if not verdict.conserved]
    summary = summarize_verdicts(verdicts)
    _log_retyped_columns(run, verdicts)
    result.checks.append(CheckResult(CONSERVATION.name, not lost, {"partitions": ", ".join(lost)}, description=summary))
    result.checks += [check_rejected_now(run.ws.lake, run.source), *check_arrivals(run)]
    run.log.info(f"validated {run.source}: checked ({summary})")
    return result


def _log_retyped_columns(run: StageRun, verdicts: Mapping[str, Verdict]) -> None:
    """Log once for the run which columns now have values of another type than declared.

    Partitions with few quarantined rows aren't read again for this.
    """
    partitions = [p for p, v in verdicts.items() if v.quarantined and v.quarantined >= RETYPED_SHARE * v.landed]
    raw = run.ws.lake.entries(f"raw/{run.source}", partitions) if partitions else {}
    if raw:
        contract = run.use_case.sources[run.source]
        misfits = find_misfits(run.use_case, run.source, run.ws.lake, raw)
        for text in compare_columns(contract, list(contract.columns), misfits).describe():
            run.log.warning(f"validated {run.source}: rows quarantined ({text})")


def _log_rejection(run: StageRun, verdict: Verdict, has_earlier_version: bool) -> None:
    note = ". The earlier accepted version stays in force and is now stale." if has_earlier_version else ""
    run.log.error(f"validated {run.source} {verdict.partition}: rejected ({'; '.join(verdict.reasons)}){note}")


def build_data_docs(run: StageRun) -> StageResult:
    """Write Great Expectations' pages, the Data Docs, about the newest partitions and all rejected partitions."""
    _, shown = build_docs(run.use_case, run.ws.lake, run.ws.reports / "data_docs")
    return StageResult.snapshot(digest(shown), {"Data Docs": data_docs_link(run.use_case.name)})


def build_features(run: StageRun) -> StageResult:
    """Build point-in-time features, check them against their suite, and check a sample of partitions for leakage."""
    result, leaks, quarantined, tainted = StageResult(), list[Leak](), 0, dict[str, TaintedPartition]()
    faults: list[str] = []
    # Use the real time here, not `as_of`. A run that simulates an earlier time doesn't make a constant known earlier.
    constants = date_constants(run.use_case, run.ws.lake, now())
    record_constants(run.ws.lake, constants)
    for group in run.partition_groups():
        with FeatureWindow(run.use_case, run.ws.lake, group) as window, ThreadPoolExecutor(1) as background:
            try:
                built = window.build()
            except sql_faults() as error:
                faults.append(leave_to_current_process(run, window, result.published, error))
                continue
            if built.beyond_lookback:
                run.log.warning(
                    "features: each partition was built alone, because features.sql reads rows outside the lookback"
                    f" (columns: {', '.join(built.beyond_lookback)})"
                )
            # The suite's rules run in Python and the leakage check in DuckDB, so both can run at the same time.
            recomputed = background.submit(_find_leaks, run, window, built.tables)
            suite, session = load_suite(run.use_case.name, "features"), run.ws.lake.open_session(run.use_case.timezone)
            judged = check_features(run.use_case, suite, built.tables, session)
            # Wait for the leaks before publishing, so that the manifest of a tainted partition has its mark at once.
            group_leaks = recomputed.result()
            early = find_early_use(constants, built.tables)
            group_tainted = merge_tainted(summarize_leaks(group_leaks), early)
            quarantined += _publish_features(run, result, judged, built.inputs, group_tainted)
            leaks += group_leaks
            tainted |= group_tainted
    describe_newest(run, result, "features")
    result.checks.append(refusal_check(FEATURES_BUILT.name, faults, "features.sql can run"))
    leakage = _leakage_check(leaks, list(tainted.values()))
    if tainted or not faults:
        result.checks.append(leakage)
    if tainted:
        run.log.error(f"features: leakage found ({leakage.description})")
        _revoke_champions(run)
    published = format_plural(len(result.published), "partition")
    run.log.info(
        f"features: built ({published}; the current process decides {format_plural(quarantined, 'unit')} with suspect"
        " features)"
    )
    return result


def _find_leaks(run: StageRun, window: FeatureWindow, tables: Mapping[str, Rows]) -> list[Leak]:
    """Return the leaks at sampled decision times, and at decision times where an earlier check reported a leak."""
    return window.find_leakage(tables, taint.decision_times(run.ws.lake.entries("features", tables)))


def _leakage_check(leaks: list[Leak], tainted: Sequence[TaintedPartition]) -> CheckResult:
    """Return the result of the leakage check, which fails if any partition is tainted.

    leaks: features that differ when recomputed at the decision time. tainted: the partitions whose features have
    leakage, also from constants that were known only later.
    """
    if not tainted:
        unchanged = "no leakage: the features stay the same when recomputed from data known at the decision time"
        return CheckResult(NO_LEAKAGE.name, True, description=unchanged)
    refusal = f"the {taint.describe(tainted)}. {taint.describe_cure(tainted)}"
    metadata: Metadata = {"leaks": "\n".join(map(str, leaks[:LEAKS_SHOWN])), REFUSED: refusal}
    summary = "; ".join(map(str, leaks[:LEAKS_IN_SUMMARY])) or taint.describe(tainted)
    return CheckResult(NO_LEAKAGE.name, False, metadata, description=summary[:DESCRIPTION_LENGTH])


def _revoke_champions(run: StageRun) -> None:
    for row in revoke_tainted_champions(run.ws, run.clock.current_time()):
        run.log.error(f"champion {row.version}: may no longer decide ({row.withdrawal_text})")


def _publish_features(
    run: StageRun,
    result: StageResult,
    judged: Mapping[str, tuple[Rows, Verdict]],
    inputs: Mapping[str, Mapping[str, dict[str, str]]],
    tainted: Mapping[str, TaintedPartition],
) -> int:
    """Write the partitions whose features are accepted. Return the number of quarantined rows.

    The current process decides the units of quarantined rows. tainted: the partitions whose features have leakage.
    """
    accepted, verdicts, quarantined, docs = {}, {}, 0, data_docs_link(run.use_case.name)
    for partition, (rows, verdict) in judged.items():
        result.checks.append(verdict_check(FIT_FOR_MODEL.name, verdict, docs, partition))
        quarantined += verdict.quarantined
        if verdict.accepted:
            accepted[partition], verdicts[partition] = rows, verdict
        else:
            run.log.error(f"features {partition}: rejected ({'; '.join(verdict.reasons)})")
    before = run.ws.lake.entries("features", judged)
    for partition in judged.keys() - accepted.keys():
        verdict = judged[partition][1]
        result.rejected[partition] = rejected_partition(verdict, docs, before.get(partition))
    accepted_tainted = [marked for partition, marked in tainted.items() if partition in accepted]
    taint.mark(run.ws.lake, accepted_tainted)
    marks = {marked.partition: marked.to_facts() for marked in accepted_tainted}
    built_by = {built_by_fact.FACT: built_by_fact.declared_parts(run.use_case, "features")}
    facts = {p: verdict_facts(verdict) | built_by | marks.get(p, {}) for p, verdict in verdicts.items()}
    entries = run.ws.lake.write_all("features", accepted, inputs=inputs, code=run.ws.code_version, facts=facts)
    taint.settle(run.ws.lake, entries)
    for partition, entry in entries.items():
        result.published[partition] = PublishedPartition(entry.version, verdict_figures(verdicts[partition]))
        result.note_restatement(run, before.get(partition), entry)
    return quarantined


def record_outcomes(run: StageRun) -> StageResult:
    """Record the outcome of each unit, or null while the outcome is unknown."""
    result, kpi = StageResult(), run.use_case.kpi
    built_by = {built_by_fact.FACT: built_by_fact.declared_parts(run.use_case, "outcomes")}
    for group in run.partition_groups():
        built = build_outcomes(run.use_case, run.ws.lake, group)
        before, facts = run.ws.lake.entries("outcomes", built.tables), dict.fromkeys(built.tables, built_by)
        entries = run.ws.lake.write_all(
            "outcomes", built.tables, inputs=built.inputs, code=run.ws.code_version, facts=facts
        )
        for partition, rows in built.tables.items():
            metadata = _describe_outcomes(kpi, rows)
            result.published[partition] = PublishedPartition(entries[partition].version, metadata)
            result.note_restatement(run, before.get(partition), entries[partition])
    describe_newest(run, result, "outcomes")
    run.log.info(f"outcomes: recorded ({format_plural(len(result.published), 'partition')})")
    return result


def _describe_outcomes(kpi: Kpi, rows: Rows) -> Metadata:
    """Return the number of units with and without a known outcome, and the average of the known outcomes."""
    import pyarrow.compute as pc

    columns = [portion[kpi.outcome] for portion in portions(rows)]
    unknown = sum(column.null_count for column in columns)
    known = rows.num_rows - unknown
    total = sum(float(pc.mean(column).as_py() or 0.0) * (len(column) - column.null_count) for column in columns)
    return {
        "dagster/partition_row_count": rows.num_rows,
        "outcomes known": known,
        "outcomes unknown": unknown,
        f"average of {kpi.outcome_name}": total / known if known else 0.0,
    }
