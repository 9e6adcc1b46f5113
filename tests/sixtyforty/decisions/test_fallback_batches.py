"""Fallback decisions are counted once for each hour and reason."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from sixtyforty.decisions.fallback_batches import FallbackBatch, count_fallback


def test_fallback_is_counted_by_hour_and_reason() -> None:
    times = [datetime(2013, 4, 5, 10, minute) for minute in (0, 20, 59)] + [datetime(2013, 4, 5, 11)]
    decisions = pa.table(
        {
            "decided_at": times * 2,
            "decided_by": ["fallback"] * 4 + ["model", "current_process", "holdout", "fallback"],
            "reason": ["late: the current process decides"] * 7 + ["the feed is dead: the current process decides"],
        }
    )
    batches = count_fallback(decisions)
    assert batches == [
        FallbackBatch(datetime(2013, 4, 5, 10), "late", 3),
        FallbackBatch(datetime(2013, 4, 5, 11), "late", 1),
        FallbackBatch(datetime(2013, 4, 5, 11), "the feed is dead", 1),
    ]
    assert batches[0].text == "3 decisions due in the hour from 2013-04-05 10:00 UTC, because late"
