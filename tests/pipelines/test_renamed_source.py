"""A source that gets another name in the declaration keeps its extracts: they are imported again under the new name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.helpers import CALLS, DECLARED, SQL, VISITS, day_range
from tests.leaky_world import NAME
from tests.live_world import ADOPTED, FIRST, build_live_home, open_live_world

CHANGED = ADOPTED + timedelta(days=1)


def test_a_renamed_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_live_home(tmp_path)
    with open_live_world(tmp_path, monkeypatch) as live:
        assert live.live_day(ADOPTED) == []
        before = live.feature(ADOPTED, "late_before")
        suites = live.world.folder.parent / "suites" / NAME
        (suites / "visits.yaml").rename(suites / "reports.yaml")
        monkeypatch.setitem(DECLARED, "sources", {"calls": CALLS, "reports": VISITS})
        for stage, sql in SQL.items():
            renamed = sql.replace("from visits", "from reports").replace("join visits", "join reports")
            monkeypatch.setitem(SQL, stage, renamed)
        live.world.write_features(SQL["features"])
        assert live.live_day(CHANGED) == []
        assert live.deciders(CHANGED) == {"model"}
        assert set(live.ws.lake.partitions("raw/reports")) == set(day_range(FIRST, CHANGED))
        assert live.feature(ADOPTED, "late_before") == before
