"""Data Docs: Great Expectations' own pages, made from the verdicts, off the decisions' path.

The newest partitions of each source and every rejected one: sites of thousands of runs stall. Pages hold counts and
line numbers, never values: those may be personal data. As they come they fetch styles, scripts and a logo from a
dozen hosts; ours fetch nothing, and read the same with the network off.
"""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from expectations.gx_runner import context
from expectations.suites import Rule, load, unspoken
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.verdicts import Verdict

NEWEST = 3  # partitions of each source
_FETCHED = re.compile(
    r"<script[^>]*\bsrc=\"https?://.*?</script>|<link[^>]*\bhref=\"https?://[^>]*>|<img[^>]*\bsrc=\"https?://[^>]*>"
    r"|<footer.*?</footer>",
    re.S,
)
_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2939; margin: 1.5rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: .4rem 0 1rem; } a { color: #0b6e99; }
td, th { border-bottom: 1px solid #eaecf0; padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; }
.fa-check-circle::before { content: "✓"; color: #067647; } .fa-times::before { content: "✗"; color: #b42318; }
.fa-exclamation-triangle::before { content: "!"; color: #b54708; } i { font-style: normal; font-weight: bold; }
.badge { padding-right: .3rem; } button, .cooltip span.d-none, .newsletter-footer { display: none; }
</style>"""


def build_docs(use_case: UseCase, lake: Lake, folder: Path) -> tuple[Path, list[str]]:
    """Builds the site anew, beside the one that is read, then puts it in its place.

    Returns its index page and the ids of the verdicts it shows. Two builds at once wait for each other.
    """
    hidden = folder.parent / f".{folder.name}"
    with exclusive_lock(hidden.with_suffix(".lock"), "build the data docs"):
        shutil.rmtree(hidden, ignore_errors=True)  # of one that was killed
        shown = _build(use_case, lake, hidden)
        shutil.rmtree(folder, ignore_errors=True)
        hidden.rename(folder)
    return folder / "index.html", shown


def _build(use_case: UseCase, lake: Lake, folder: Path) -> list[str]:
    found = context()
    folder.mkdir(parents=True)
    found.add_data_docs_site(
        "site",
        {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        },
    )
    rows = []
    for source in use_case.sources:
        suite = load(use_case.name, source)
        rules = [r.told(unspoken(suite, use_case.sources[source])) for r in [*suite.rows, *suite.partition.rules]]
        _add_suite(found, source, rules)
        for entry in _shown(lake, source):
            _add_result(found, source, rules, entry)
            rows.append((source, Verdict.from_dict(entry.facts["verdict"])))
    found.build_data_docs(site_names=["site"])
    for page in folder.rglob("*.html"):
        page.write_text(_FETCHED.sub("", page.read_text()).replace("</head>", f"{_STYLE}</head>"))
    (folder / "index.html").write_text(_index(use_case, folder, rows))
    return [verdict.id for _, verdict in rows]


def _index(use_case: UseCase, folder: Path, rows: Sequence[tuple[str, Verdict]]) -> str:
    """A plain table of the pages: Great Expectations' own index is empty without its scripts."""
    lines = []
    for source, v in rows:
        verdict = "accepted" if v.accepted else "REJECTED"
        page = next((folder / "validations" / source).glob(f"{v.partition} {verdict}/*/*.html"))
        told = "; ".join(v.reasons) or f"{len(v.warnings)} warnings"
        cells = [
            source,
            f'<a href="{page.relative_to(folder).as_posix()}">{v.partition}</a>',
            verdict,
            f"{v.landed:,}",
            f"{v.quarantined:,}",
            html.escape(told),
        ]
        lines.append("<tr>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>")
    suites = ", ".join(f'<a href="expectations/{s}.html">{s}</a>' for s in use_case.sources)
    head = "".join(f"<th>{h}</th>" for h in ("Source", "Partition", "Verdict", "Landed", "Quarantined", "Why"))
    title = html.escape(f"{use_case.title}: what governance saw")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{_STYLE}</head><body>'
        f"<h1>{title}</h1><p>The newest partitions and every rejected one. Suites: {suites}.</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></body></html>"
    )


def _shown(lake: Lake, source: str) -> list[Entry]:
    newest = list(lake.entries(f"validated/{source}").values())[-NEWEST:]
    return newest + list(lake.entries(f"rejected/{source}").values())


def _configs(rules: Sequence[Rule]) -> list[tuple[Rule, dict[str, Any]]]:
    return [
        (
            r,
            {
                "type": r.type,
                "kwargs": _shortened(r.kwargs),
                "severity": r.severity,
                "meta": {"notes": {"format": "string", "content": r.why}},
            },
        )
        for r in rules
    ]


def _shortened(kwargs: dict[str, Any]) -> dict[str, Any]:
    values = kwargs.get("value_set")
    return (
        {**kwargs, "value_set": [f"{values['column']} of {values['source']}"]} if isinstance(values, dict) else kwargs
    )


def _add_suite(found: Any, source: str, rules: Sequence[Rule]) -> None:
    from great_expectations.core.expectation_suite import ExpectationSuite

    found.suites.add(ExpectationSuite(name=source, expectations=[c for _, c in _configs(rules)]))


def _add_result(found: Any, source: str, rules: Sequence[Rule], entry: Entry) -> None:
    from great_expectations.core.batch import BatchMarkers  # noqa: F401  (registers what results refer to)
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    verdict = Verdict.from_dict(entry.facts["verdict"])
    configs = {(r.type, r.column, r.title): c for r, c in _configs(rules)}
    results = []
    for r in verdict.rules:
        config = configs.get((r.rule, r.column, r.expected))
        if config is None:  # the suite was changed since
            continue
        shown = {
            "element_count": r.of,
            "unexpected_count": r.failed,
            "observed_value": r.observed,
            "unexpected_percent": 100 * r.failed / max(1, r.of),
            "partial_unexpected_list": [],
        }
        results.append(
            ExpectationValidationResult(
                success=r.passed,
                expectation_config=ExpectationConfiguration(**config),
                result=shown,
                meta={},
                exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
            )
        )
    passed = sum(bool(r.success) for r in results)
    statistics = {
        "evaluated_expectations": len(results),
        "successful_expectations": passed,
        "unsuccessful_expectations": len(results) - passed,
        "success_percent": 100 * passed / max(1, len(results)),
    }
    run = RunIdentifier(run_name=f"{entry.partition} {'accepted' if verdict.accepted else 'REJECTED'}")
    result = ExpectationSuiteValidationResult(
        success=verdict.accepted,
        results=results,
        suite_name=source,
        statistics=statistics,
        meta={"run_id": run, "partition": entry.partition, "reasons": verdict.reasons, "rows landed": verdict.landed},
    )
    key = ValidationResultIdentifier(ExpectationSuiteIdentifier(source), run, batch_identifier=entry.partition)
    found.validation_results_store.set(key, result)
