"""The feeds that decisions did without: only those that usually come before the decision."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.missing_feeds import MissingFeed, find_missing_feeds
from sixtyforty.storage.manifests import Entry
from sixtyforty.workspace import Workspace
from tests.helpers import UNJUDGED, make_workspace

DAYS = [(date(2013, 3, 1) + timedelta(days=n)).isoformat() for n in range(5)]


def decide(ws: Workspace, feeds: dict[str, list[str]]) -> None:
    """Write empty decisions on features of some days. feeds: the feeds of each day whose rows the features read."""
    import pyarrow as pa

    rows = pa.table({"id": pa.array([], pa.int64())})
    for day, names in feeds.items():
        inputs = {f"validated/{name}": {day: "version"} for name in names}
        features: Entry = ws.lake.write("features", day, rows, inputs=inputs, code="test", facts=UNJUDGED)
        versions = {"features": {day: features.version}}
        ws.lake.write(decisions_dataset("live"), day, rows, inputs=versions, code="test", facts={})


def test_a_feed_is_missing_if_the_days_before_had_it(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    decide(ws, {day: ["calls", "visits"] for day in DAYS[:3]} | {DAYS[3]: ["calls"], DAYS[4]: ["calls", "visits"]})
    assert [find_missing_feeds(ws, day, "live") for day in DAYS] == [
        [],
        [],
        [],
        [MissingFeed("visits", is_rejected=False)],
        [],
    ]
    assert find_missing_feeds(ws, DAYS[0], "replay") == []


def test_a_feed_that_always_comes_later_isnt_missing(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    decide(ws, {day: ["calls"] for day in DAYS})
    assert [find_missing_feeds(ws, day, "live") for day in DAYS] == [[]] * 5
