"""The first rows of a partition, without personal columns."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from sixtyforty.reports.row_preview import SHOWN_ROWS, preview_rows, previewed_datasets
from tests.helpers import make_workspace, publish_days

DAY, NEWEST = "2013-03-01", "2013-03-02"


def test_the_newest_partition_is_shown_first_and_every_partition_can_be_chosen(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, [date.fromisoformat(DAY), date.fromisoformat(NEWEST)], count=SHOWN_ROWS + 5)
    source = next(iter(ws.use_case.partitioned))
    newest, first = preview_rows(ws, f"validated/{source}"), preview_rows(ws, f"validated/{source}", DAY)
    assert newest and first
    assert (newest.partition, first.partition, list(newest.partitions)) == (NEWEST, DAY, [DAY, NEWEST])
    assert (len(newest.rows), newest.total, newest.left_out) == (SHOWN_ROWS, SHOWN_ROWS + 5, 0)
    assert preview_rows(ws, f"validated/{source}", "2013-03-03") is None
    assert preview_rows(ws, "decisions/live") is None


def test_personal_columns_are_left_out_of_the_source_and_of_what_is_calculated_from_it(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    source = next(iter(ws.use_case.partitioned))
    personal = next(c for c in ws.use_case.sources[source].columns if c not in ws.use_case.decision.key)
    ws = make_workspace(tmp_path, sources={source: {"personal": [personal]}})
    publish_days(ws, [date.fromisoformat(DAY)], count=3)
    preview = preview_rows(ws, f"validated/{source}")
    assert preview and personal not in preview.columns and preview.left_out == 1
    assert all(len(row) == len(preview.columns) for row in preview.rows)


def test_only_datasets_of_the_chain_are_shown(tmp_path: Path) -> None:
    datasets = previewed_datasets(make_workspace(tmp_path).use_case)
    assert {"features", "outcomes", "decisions/live", "decisions/replay"} <= set(datasets)
    assert not any(dataset.startswith(("training", "responses", "..")) for dataset in datasets)
