"""Alerts about feeds: unreachable sources, refused extracts, and feeds that stopped or never came."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.reports.feed_alerts import (
    find_quarantined_rows,
    find_refused_extracts,
    find_silent_feeds,
    find_unreachable_sources,
)
from sixtyforty.storage.verdicts import Verdict, verdict_facts
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace


def landing_folder(ws: Workspace) -> Path:
    """Create the folder in which extracts land, and return it."""
    folder = Path(str(ws.landing.folder))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_symlink_loop_is_reported_and_stops_no_other_file(workspace: Workspace) -> None:
    """Once, one link to itself made the whole source unreadable."""
    folder = landing_folder(workspace)
    (folder / "calls_loop.csv").symlink_to("calls_loop.csv")
    (folder / "calls_broken.csv").write_text("no,such,columns\n1,2,3\n")
    workspace.landing.scan("calls", patient=True)
    assert find_unreachable_sources(workspace, "live") == []
    alerts = {alert.subject.split()[1]: alert.text for alert in find_refused_extracts(workspace, "live")}
    assert len(alerts) == 2
    assert any("calls_loop.csv is left out, and other extracts are imported" in text for text in alerts.values())
    assert any("calls_broken.csv is refused" in text for text in alerts.values())
    for path in folder.iterdir():
        path.unlink()
    workspace.landing.scan("calls", patient=True)
    assert find_refused_extracts(workspace, "live") == []


def test_an_unreachable_source_is_named_with_the_reason(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_unreachable_sources(workspace, "live") == []
    list_files = LandingZone.list_files

    def fail(self: LandingZone, source: str, memory: Any = None) -> Any:
        if source == "calls":
            raise unreachable
        return list_files(self, source, memory)

    from sixtyforty.ingest.locations import UnreachableSourceError

    unreachable = UnreachableSourceError("calls: the location s3://calls can't be read (PermissionError).")
    monkeypatch.setattr(LandingZone, "list_files", fail)
    (alert,) = find_unreachable_sources(workspace, "live")
    assert (alert.subject, alert.text) == ("calls", str(unreachable))


def test_a_file_in_place_of_the_landing_zone_makes_its_sources_unreachable(workspace: Workspace) -> None:
    """Once, a failed mount looked like a landing zone without new extracts."""
    folder = Path(str(workspace.landing.folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.touch()
    (alert,) = find_unreachable_sources(workspace, "live")  # once, each source had an alert about the same folder
    assert set(alert.subject.split()) == set(workspace.use_case.sources)
    assert "a file is in the place of the folder" in alert.text


def test_quarantined_rows_of_the_newest_partition_are_an_alert(workspace: Workspace) -> None:
    """Once, nobody heard of an extract that was cut within a line: its whole lines were accepted."""
    for day, quarantined in (("2013-03-01", 0), ("2013-03-02", 1)):
        assert find_quarantined_rows(workspace, "live") == []
        verdict = Verdict("calls", day, True, 20, 20 - quarantined, quarantined, 0, 0, [], [])
        workspace.lake.write("validated/calls", day, pa.table({"x": [1]}), facts=verdict_facts(verdict))
    (alert,) = find_quarantined_rows(workspace, "live")
    assert alert.subject == "calls 2013-03-02"
    assert "1 of 20 landed rows are in quarantine" in alert.text


def test_lines_of_a_refused_extract_are_no_second_alert(workspace: Workspace) -> None:
    """Once, one unreadable file raised two alerts, and the second spoke of one quarantined row."""
    folder = landing_folder(workspace)
    (folder / "calls_2013-03-02.csv").write_text("no,such,columns\n1,2,3\n")
    workspace.landing.scan("calls", patient=True)
    (arrival,) = workspace.landing.known("calls")
    day = min(arrival.partitions)
    verdict = Verdict("calls", day, True, 20, 20 - arrival.rows, arrival.rows, 0, 0, [], [])
    workspace.lake.write("validated/calls", day, pa.table({"x": [1]}), facts=verdict_facts(verdict))
    assert len(find_refused_extracts(workspace, "live")) == 1
    assert find_quarantined_rows(workspace, "live") == []


def test_a_feed_that_never_came_is_an_alert_from_the_third_complete_partition_on(tmp_path: Path) -> None:
    """Once, nobody heard for 44 days that the units never came."""
    ws = make_workspace(tmp_path)
    first = ws.use_case.limits[0]
    source = next(iter(ws.use_case.partitioned))

    def subjects(partitions: int) -> set[str]:
        now = ws.use_case.settled_at(ws.use_case.shift(first, partitions - 1))
        return {alert.subject for alert in find_silent_feeds(ws, now)}

    assert subjects(2) == set()
    assert source in subjects(3)
    texts = [alert.text for alert in find_silent_feeds(ws, datetime(2030, 1, 1))]
    assert any("No row of" in text and "at all" in text for text in texts)
