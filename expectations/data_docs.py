"""Data Docs: pages about data quality for people, which Great Expectations builds from the verdicts.

No decision depends on the pages. The site shows the newest partitions of each source and every rejected partition,
because Great Expectations builds a site of all partitions too slowly. The pages contain counts and row numbers, but no
values, which may be personal data. Great Expectations' pages load styles, scripts and a logo from a dozen hosts. This
module removes them, so that the pages look the same without a network.
"""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from expectations.gx_runner import create_context
from expectations.rule_times import BOUNDS, EPOCH, parse_clock_time
from expectations.rules import Rule, Suite, personal_names
from expectations.suites import load_suite
from sixtyforty.spec.clock import now
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.verdicts import RuleResult, Verdict, read_verdict

NEWEST_PARTITIONS = 3  # number of newest partitions shown for each source
SITE = "site"
INDEX_COLUMNS = ("Source", "Partition", "Verdict", "Rows landed", "Rows quarantined", "Reasons")
_EXTERNAL = re.compile(
    r"<script[^>]*\bsrc=\"https?://.*?</script>|<link[^>]*\bhref=\"https?://[^>]*>|<img[^>]*\bsrc=\"https?://[^>]*>"
    r"|<footer.*?</footer>",
    re.S,
)
STYLE_SHEET = Path(__file__).with_suffix(".css")


def build_docs(use_case: UseCase, lake: Lake, folder: Path) -> tuple[Path, list[str]]:
    """Build the Data Docs of a use case in a temporary folder, then replace the current site in `folder`.

    Returns the path of the index page, and the ids of the verdicts that the site shows. If another build is running,
    the function waits for its end.
    """
    hidden = folder.parent / f".{folder.name}"
    with exclusive_lock(hidden.with_suffix(".lock"), "build the data docs"):
        shutil.rmtree(hidden, ignore_errors=True)  # a killed build may have left the folder
        verdict_ids = _build_site(use_case, lake, hidden)
        shutil.rmtree(folder, ignore_errors=True)
        hidden.rename(folder)
    return folder / "index.html", verdict_ids


def _build_site(use_case: UseCase, lake: Lake, folder: Path) -> list[str]:
    context = _create_site(folder)
    verdicts = []
    for source in use_case.sources:
        rules = _masked_rules(load_suite(use_case.name, source), use_case, source)
        _add_suite(context, source, rules)
        for entry in _entries_to_show(lake, source):
            _add_verdict(context, source, rules, entry)
            verdicts.append((source, read_verdict(entry)))
    context.build_data_docs(site_names=[SITE])
    style = _style_element()
    for page in folder.rglob("*.html"):
        page.write_text(_EXTERNAL.sub("", page.read_text()).replace("</head>", f"{style}</head>"))
    (folder / "index.html").write_text(_index_page(use_case, folder, verdicts))
    return [verdict.id for _, verdict in verdicts]


def _create_site(folder: Path) -> Any:
    """Return a Great Expectations context that writes its site to `folder`, which must not exist yet."""
    context = create_context()
    folder.mkdir(parents=True)
    context.add_data_docs_site(
        SITE,
        {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        },
    )
    return context


def _masked_rules(suite: Suite, use_case: UseCase, source: str) -> list[Rule]:
    personal = personal_names(suite, use_case.sources[source])
    return [rule.mask_personal(personal) for rule in [*suite.rows, *suite.partition.rules]]


def _entries_to_show(lake: Lake, source: str) -> list[Entry]:
    newest = list(lake.entries(f"validated/{source}").values())[-NEWEST_PARTITIONS:]
    return newest + list(lake.entries(f"rejected/{source}").values())


def _style_element() -> str:
    return f"<style>\n{STYLE_SHEET.read_text()}</style>"


def _verdict_word(verdict: Verdict) -> str:
    return "accepted" if verdict.accepted else "REJECTED"


def _index_page(use_case: UseCase, folder: Path, verdicts: Sequence[tuple[str, Verdict]]) -> str:
    """Return the HTML of the index page: a table with a link to the page of each verdict.

    Great Expectations' own index page isn't used, because it is empty without its scripts.
    """
    rows = [_index_row(folder, source, verdict) for source, verdict in verdicts]
    suites = ", ".join(f'<a href="expectations/{source}.html">{source}</a>' for source in use_case.sources)
    head = "".join(f"<th>{column}</th>" for column in INDEX_COLUMNS)
    title = html.escape(f"{use_case.title}: data quality")
    empty = "" if rows else "<p>No partition has been validated yet. Land extracts, then run the pipeline.</p>"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{_style_element()}</head>'
        f"<body><h1>{title}</h1><p>The newest {NEWEST_PARTITIONS} partitions of each source, and every rejected"
        f" partition, as of {now():%Y-%m-%d %H:%M} UTC. Each training and each run of the whole chain builds these"
        f" pages again. Suites: {suites}.</p>{empty}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></body></html>"
    )


def _index_row(folder: Path, source: str, verdict: Verdict) -> str:
    word = _verdict_word(verdict)
    page = next((folder / "validations" / source).glob(f"{verdict.partition} {word}/*/*.html"))
    reasons = "; ".join(verdict.reasons) or format_plural(len(verdict.warnings), "warning")
    cells = [
        source,
        f'<a href="{page.relative_to(folder).as_posix()}">{verdict.partition}</a>',
        word,
        f"{verdict.landed:,}",
        f"{verdict.quarantined:,}",
        html.escape(reasons),
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _add_suite(context: Any, source: str, rules: Sequence[Rule]) -> None:
    from great_expectations.core.expectation_suite import ExpectationSuite

    context.suites.add(ExpectationSuite(name=source, expectations=[_rule_configuration(rule) for rule in rules]))


def _rule_configuration(rule: Rule) -> dict[str, Any]:
    """Return a rule in Great Expectations' own form, with the rule's `why` as note."""
    arguments = dict(rule.kwargs)
    if isinstance(arguments.get("value_set"), dict):
        arguments["value_set"] = ["{column} of {source}".format(**arguments["value_set"])]
    for bound in BOUNDS:
        if arguments.get(bound) is not None:
            arguments[bound] = _shown_bound(arguments[bound])
    return {
        "type": rule.type,
        "kwargs": arguments,
        "severity": rule.severity,
        "meta": {"notes": {"format": "string", "content": rule.why}},
    }


def _shown_bound(declared: Any) -> Any:
    """Return a rule's bound as Great Expectations accepts it. A clock time becomes a time on 1 January 1970."""
    if isinstance(declared, int | float):
        return declared
    try:
        return f"{EPOCH:%Y-%m-%d} {parse_clock_time(declared)}"
    except ValueError:
        return str(declared)


def _add_verdict(context: Any, source: str, rules: Sequence[Rule], entry: Entry) -> None:
    """Add the verdict on a partition to a Great Expectations context, as if Great Expectations had validated it."""
    from great_expectations.core.batch import BatchMarkers  # noqa: F401  (registers a type that results refer to)
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    verdict = read_verdict(entry)
    configurations = {(rule.type, rule.column, rule.expected): _rule_configuration(rule) for rule in rules}
    results = []
    for outcome in verdict.rules:
        configuration = configurations.get((outcome.rule, outcome.column, outcome.expected))
        if configuration:  # None if the rule was removed or changed after the verdict
            results.append(_rule_result(outcome, configuration))
    run = RunIdentifier(run_name=f"{entry.partition} {_verdict_word(verdict)}")
    suite_result = ExpectationSuiteValidationResult(
        success=verdict.accepted,
        results=results,
        suite_name=source,
        statistics=_statistics([bool(each.success) for each in results]),
        meta={"run_id": run, "partition": entry.partition, "reasons": verdict.reasons, "rows landed": verdict.landed},
    )
    key = ValidationResultIdentifier(ExpectationSuiteIdentifier(source), run, batch_identifier=entry.partition)
    context.validation_results_store.set(key, suite_result)


def _rule_result(outcome: RuleResult, configuration: dict[str, Any]) -> Any:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    return ExpectationValidationResult(
        success=outcome.passed,
        expectation_config=ExpectationConfiguration(**configuration),
        result={
            "element_count": outcome.of,
            "unexpected_count": outcome.failed,
            "observed_value": outcome.observed,
            "unexpected_percent": 100 * outcome.failed / max(1, outcome.of),
            "partial_unexpected_list": [],
        },
        meta={},
        exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
    )


def _statistics(passed: Sequence[bool]) -> dict[str, float]:
    return {
        "evaluated_expectations": len(passed),
        "successful_expectations": sum(passed),
        "unsuccessful_expectations": len(passed) - sum(passed),
        "success_percent": 100 * sum(passed) / max(1, len(passed)),
    }
