"""A suite is evaluated on the table `typed` with bounded memory, however wide its rows are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from expectations import row_rules, value_frames
from expectations.evaluation import SuiteEvaluator
from expectations.rules import PartitionRules, Rule, Suite
from sixtyforty.ingest import repeated_keys
from sixtyforty.ingest.repeated_keys import prepare_repeated_keys
from sixtyforty.spec.sources import Source
from sixtyforty.storage.lake import Lake

ROWS, WIDTH, PORTION = 400, 100_000, 1 << 23
SOURCE = Source(
    description="Notes of a day.",
    files="notes*",
    key=["id"],
    columns={"id": "BIGINT", "note": "VARCHAR"},
    derived={"length": "strlen(note)"},
)


def rule(kind: str, **kwargs: Any) -> Rule:
    return Rule(type=f"expect_{kind}", severity="warning", kwargs=kwargs, why="for the test")


# Every 100th note starts with `bad`, and every 125th is the same as the ones before it.
SUITE = Suite(
    description="Notes.",
    rows=[
        rule("column_values_to_not_match_regex", column="note", regex="^bad"),
        rule("column_values_to_be_unique", column="note"),
        rule("column_values_to_be_between", column="id", min_value=200, row_condition="note.str.startswith('bad')"),
        rule("column_values_to_not_match_regex", column="note", regex="^bad", mostly=0.9),
        rule("column_values_to_be_between", column="length", max_value=WIDTH - 1),
    ],
    partition=PartitionRules(metrics={"longest": "max(strlen(note))", "bad": "count(*) filter (note like 'bad%')"}),
)


def test_a_suite_about_long_texts_takes_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB holds 2048 rows at once, and Great Expectations copies the values: 3,000 texts of 130 KB were too many."""
    monkeypatch.setattr(repeated_keys, "PORTION_BYTES", PORTION)
    text_bytes = []
    find_failing_rows = row_rules.find_failing_rows

    def measure(name: str, frame: pd.DataFrame, rules: list[Rule]) -> list[list[int]]:
        text_bytes.append(max((int(frame[c].str.len().sum()) for c in frame if frame[c].dtype == "str"), default=0))
        return find_failing_rows(name, frame, rules)

    monkeypatch.setattr(row_rules, "find_failing_rows", measure)
    with duckdb.connect(config={"memory_limit": "32MB", "temp_directory": str(tmp_path / "spilled")}) as db:
        prepare_repeated_keys(db, {})
        for first in range(0, ROWS, 20):
            db.execute(
                f"""{"insert into typed" if first else "create temp table typed as"} select i as id, rpad(case
                    when i % 125 = 0 then 'same' when i % 100 = 1 then 'bad' || i else i::varchar end, {WIDTH}, '-')
                    as note, '2024-05-01' as _partition, 'e' as _extract, i as _row, 1::bigint as _seq,
                    {WIDTH}::uinteger as _text_bytes, null::varchar as _reason, 'row' as _status
                from range({first}, {first + 20}) t(i)"""
            )
        evaluator = SuiteEvaluator(db, Lake(tmp_path), {"notes": SOURCE}, "notes", SUITE, True)
        evaluator.quarantine_failing_rows(None)
        evaluation = evaluator.evaluate()
    failures = evaluation.row_failures["2024-05-01"]
    assert {number: list(failed.sample_rows) for number, failed in failures.items()} == {
        0: list(range(1, ROWS, 100)),
        1: [0, 125, 250, 375],
        2: [1, 101],
        4: list(range(20)),
    }
    assert evaluation.metrics[["longest", "bad"]].to_numpy().tolist() == [[WIDTH, 4]]
    assert max(text_bytes) <= PORTION + WIDTH


def test_a_frame_has_few_long_values_or_many_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_frames, "FRAME_BYTES", 10_000)
    monkeypatch.setattr(value_frames, "VALUES_PER_FRAME", 100)
    with duckdb.connect() as db:
        values = "select repeat('x', case when i < 10 then 4900 else 1 end) || i as note from range(310) t(i)"
        frames = list(value_frames.create_value_table(db, "notes", values).read_frames())
    assert all(frame["note"].str.len().sum() <= 10_000 and len(frame) <= 100 for frame, _ in frames)
    assert sorted(number for _, numbers in frames for number in numbers) == list(range(310))
    assert len(frames) == 9
