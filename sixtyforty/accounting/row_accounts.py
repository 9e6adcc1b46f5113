"""Account for every landed row of a source: it is validated, quarantined, a duplicate or superseded.

| count | where | must equal |
|---|---|---|
| landed | rows of `raw/<source>`, and lines of refused extracts | the verdict's count of landed rows |
| accepted, quarantined, duplicates, superseded | the verdict | together the landed rows |
| accepted | the verdict | rows of `validated/<source>`, unless the partition is rejected |
| quarantined | the verdict, without lines of refused extracts | rows of `quarantine/<source>` |

A row whose key moved to another partition is superseded in the partition where it landed. All counts come from
manifests, so no row is read. A partition that waits for its validation is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sixtyforty.accounting import unit_accounts
from sixtyforty.spec.wording import format_plural, join_first
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.listed_extracts import listed_extracts
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.restatement import is_judged
from sixtyforty.workspace import Workspace

KINDS = ("accepted_rows", "quarantined", "duplicates", "superseded")


@dataclass(frozen=True)
class RowAccount:
    """How many rows of one source landed, and where they went, summed over its validated and rejected partitions.

    - landed: raw rows, and lines of refused extracts.
    - accounted: the rows that verdicts count as accepted, quarantined, duplicate or superseded.
    - differences: what is missing or counted twice, one text per difference, each starting with source and partition.
    """

    source: str
    landed: int
    accounted: int
    differences: list[str]


def account_rows(ws: Workspace) -> list[RowAccount]:
    """Return a RowAccount for each source: how many landed rows are validated, quarantined, duplicate or superseded."""
    return [_account_source(ws.lake, source) for source in ws.use_case.sources]


def describe_losses(ws: Workspace, now: datetime) -> str:
    """Describe the first lost rows (missing or counted twice) or, if no row is lost, the first lost units, if any.

    now: UTC, naive.
    """
    return describe_differences(ws) or unit_accounts.describe_differences(ws, now)


def describe_differences(ws: Workspace) -> str:
    """Describe the first rows of any source that are missing or counted twice; empty if there are none.

    The totals of a source with a difference come first.
    """
    texts = []
    for account in account_rows(ws):
        if account.differences:
            landed = format_plural(account.landed, "row")
            texts.append(f"{account.source}: {landed} landed, and {account.accounted:,} are accounted for")
            texts += account.differences
    return join_first(texts, unit_accounts.SHOWN)


def _account_source(lake: Lake, source: str) -> RowAccount:
    raw, validated, rejected, quarantined = (
        lake.entries(f"{kind}/{source}") for kind in ("raw", "validated", "rejected", "quarantine")
    )
    landed = accounted = 0
    differences = []
    for partition, entry in raw.items():
        judged = [entries[partition] for entries in (validated, rejected) if partition in entries]
        current = next((each for each in judged if is_judged(entry, [each])), None)
        if current is None:
            continue
        verdict = current.facts["verdict"]
        landed += _count_landed(entry)
        accounted += sum(verdict[kind] for kind in KINDS)
        stored = {"validated": validated.get(partition), "quarantine": quarantined.get(partition)}
        differences += [f"{source} {partition}: {text}" for text in _differences(entry, verdict, stored)]
    return RowAccount(source, landed, accounted, differences)


def _differences(raw: Entry, verdict: Mapping[str, int], stored: Mapping[str, Entry | None]) -> Iterator[str]:
    """Yield a text for each row count of a partition, such as landed rows, that differs from its verdict's count.

    stored: the manifests of the partition's validated and quarantined rows, by kind of dataset.
    """
    landed, counted = _count_landed(raw), sum(verdict[kind] for kind in KINDS)
    if not landed == verdict["landed"] == counted:
        yield (
            f"{format_plural(landed, 'row')} landed, but the verdict counts {verdict['landed']:,}, of which"
            f" {counted:,} are validated, quarantined, duplicate or superseded"
        )
    expected = {"quarantine": verdict["quarantined"] - _count_refused(raw)}
    if verdict["accepted"]:
        expected["validated"] = verdict["accepted_rows"]
    for kind, count in expected.items():
        entry = stored[kind]
        rows = entry.rows if entry else 0
        if rows != count:
            yield f"the verdict counts {format_plural(count, 'row')}, but the dataset `{kind}` has {rows:,}"


def _count_landed(raw: Entry) -> int:
    return raw.rows + _count_refused(raw)


def _count_refused(raw: Entry) -> int:
    return sum(extract.refused for extract in listed_extracts(raw) if extract.problem)
