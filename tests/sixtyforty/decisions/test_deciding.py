"""Each unit is decided once, at its decision time, by the champion in force; the current process does the rest."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sixtyforty.decisions import deciding
from sixtyforty.decisions.champion_scores import ScoredUnits
from sixtyforty.decisions.deciding import LATE_REASON, take_decisions
from sixtyforty.decisions.decision_draft import NO_CHAMPION_REASON
from sixtyforty.decisions.decision_table import TakenDecisions, decisions_dataset, read_decisions
from sixtyforty.modeling.lineage import find_outdated
from sixtyforty.value.policy import BEST_REASON
from sixtyforty.workspace import Workspace
from tests.helpers import land_extract, make_workspace, publish_days, put_champion_in_force, read_lake
from tests.sixtyforty.decisions.conftest import DAY, KEY, KEY_BEFORE, TRAINED, adopt_at, mark_first_unit_suspect
from tests.small_portions import use_small_portions


def test_before_the_first_champion_the_current_process_decides(ready: Workspace) -> None:
    taken = take_decisions(ready, [KEY_BEFORE], "replay", None)[KEY_BEFORE]
    decisions = read_decisions(ready, KEY_BEFORE, "replay")
    assert (taken.by_model, taken.fallback, len(decisions)) == (0, 20, 20)
    assert all(d.action == d.current_action and d.champion_version is None for d in decisions)
    assert {d.reason for d in decisions} == {NO_CHAMPION_REASON}


def test_each_unit_is_decided_once_when_its_decision_time_comes(ready: Workspace) -> None:
    new = []
    for hour in range(10, 16):
        taken = take_decisions(ready, [KEY], "replay", datetime(2013, 3, 13, hour))
        new.append(taken[KEY].new if taken else 0)
    assert new == [0, 5, 5, 5, 5, 0]
    decisions = read_decisions(ready, KEY, "replay")
    assert take_decisions(ready, [KEY], "replay", None)[KEY].new == 0
    assert read_decisions(ready, KEY, "replay") == decisions
    assert len({d.decision_id for d in decisions}) == 20


def test_a_decision_stays_when_its_features_are_restated(ready: Workspace) -> None:
    take_decisions(ready, [KEY], "replay", datetime(2013, 3, 13, 12))
    before = read_decisions(ready, KEY, "replay")
    mark_first_unit_suspect(ready, KEY)
    take_decisions(ready, [KEY], "replay", None)
    after = {d.decision_id: d for d in read_decisions(ready, KEY, "replay")}
    assert len(after) == 20
    assert all(after[d.decision_id] == d for d in before)
    assert len({d.data_version for d in after.values()}) == 2


def test_a_suspect_unit_falls_back_to_the_current_process_with_the_reason(ready: Workspace) -> None:
    mark_first_unit_suspect(ready, KEY)
    taken = take_decisions(ready, [KEY], "replay", None)[KEY]
    (fallback,) = [d for d in read_decisions(ready, KEY, "replay") if d.decided_by == "fallback"]
    assert (taken.by_model, taken.fallback) == (19, 1)
    assert fallback.action == fallback.current_action
    assert (fallback.reason, fallback.expected) == ("a share above 1", None)


def test_live_decisions_begin_with_the_adoption(ready: Workspace) -> None:
    adoption = datetime(2013, 3, 13, 12)  # an hour after the first decision time
    adopt_at(ready, adoption)
    taken = take_decisions(ready, [KEY_BEFORE, KEY], "live", datetime(2013, 3, 13, 13))
    decisions = read_decisions(ready, KEY, "live")
    assert list(taken) == [KEY]
    assert {d.decided_by for d in decisions} == {"model"}
    assert min(d.decided_at for d in decisions) == adoption
    assert len(decisions) == 10


def test_a_late_decision_falls_back_to_the_current_process(ready: Workspace) -> None:
    """A decision is late after an hour. At 13:30 the units of 11 and 12 o'clock are late, those of 13 are not."""
    adopt_at(ready, datetime(2013, 3, 13, 11))
    take_decisions(ready, [KEY], "live", datetime(2013, 3, 13, 13, 30))
    decisions = read_decisions(ready, KEY, "live")
    assert {d.decided_at.hour: (d.decided_by, d.reason) for d in decisions} == {
        11: ("fallback", LATE_REASON),
        12: ("fallback", LATE_REASON),
        13: ("model", BEST_REASON),
    }
    assert all(d.action == d.current_action for d in decisions if d.reason == LATE_REASON)


def test_nothing_is_decided_on_features_older_than_the_validated_data(ready: Workspace) -> None:
    entry = ready.lake.entry("validated/visits", KEY_BEFORE)
    assert entry
    rows = pq.read_table(ready.lake.local_file(entry))
    ready.lake.write("validated/visits", KEY_BEFORE, rows.slice(1), inputs=entry.inputs, code="new", facts=entry.facts)
    assert find_outdated(ready.use_case, ready.lake, [KEY]) == {KEY: [f"validated/visits {KEY_BEFORE}"]}
    assert take_decisions(ready, [KEY], "replay", None) == {}


def test_the_tracks_never_mix(ready: Workspace) -> None:
    take_decisions(ready, [KEY], "replay", None)
    adopt_at(ready, datetime(2013, 3, 13, 11))
    take_decisions(ready, [KEY], "live", datetime(2013, 3, 13, 14))
    replay, live = read_decisions(ready, KEY, "replay"), read_decisions(ready, KEY, "live")
    assert len(replay) == len(live) == 20
    assert not {d.decision_id for d in replay} & {d.decision_id for d in live}


def test_a_second_run_writes_the_same_bytes(ready: Workspace) -> None:
    take_decisions(ready, [KEY], "replay", None)
    before = read_lake(ready.lake)
    take_decisions(ready, [KEY], "replay", None)
    assert read_lake(ready.lake) == before


def test_without_features_no_decision_is_taken(workspace: Workspace) -> None:
    assert take_decisions(workspace, [KEY], "replay", None) == {}
    assert workspace.lake.entries(decisions_dataset("replay")) == {}
    land_extract(workspace.landing, "calls_nothing.csv", "")
    assert take_decisions(workspace, [KEY], "replay", None) == {}


LIMIT = {
    "kpi": {
        "actions": {
            "wait": {"description": "wait"},
            "act": {"description": "act", "cost": 3, "gain": 10, "limit": 2, "use_full_limit": True},
        }
    }
}


def test_decisions_taken_before_count_towards_a_limit(tmp_path: Path) -> None:
    """The units of an hour share a limit of two, whether they are decided in one run or in several."""
    ws = make_workspace(tmp_path, **LIMIT)
    publish_days(ws, [*TRAINED, DAY], count=20)
    put_champion_in_force(ws, DAY)
    for hour in (11, 12, 13, 14, 15):
        take_decisions(ws, [KEY], "replay", datetime(2013, 3, 13, hour))
    acted = [d.decided_at.hour for d in read_decisions(ws, KEY, "replay") if d.action == "act"]
    assert sorted(acted) == [11, 11, 12, 12, 13, 13, 14, 14]


VETOES = {"model": {"vetoes": {"quiet": {"when": "load < 0.5 and id % 3 = 0", "never": "act", "why": "too quiet"}}}}


def test_the_units_of_one_decision_time_are_scored_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five units of an hour share a limit of two. They are scored three at most at a time, and chosen together."""
    ws = make_workspace(tmp_path, **LIMIT)
    publish_days(ws, [*TRAINED, DAY], count=20)
    put_champion_in_force(ws, DAY)
    use_small_portions(monkeypatch)
    sizes = []
    score_units = deciding.score_units

    def count_units(*arguments: Any) -> ScoredUnits:
        sizes.append(len(arguments[2]))
        return score_units(*arguments)

    monkeypatch.setattr(deciding, "score_units", count_units)
    take_decisions(ws, [KEY], "replay", None)
    assert max(sizes) == 3 and sum(sizes) == 20
    acted = [d.decided_at.hour for d in read_decisions(ws, KEY, "replay") if d.action == "act"]
    assert sorted(acted) == [11, 11, 12, 12, 13, 13, 14, 14]


@pytest.mark.parametrize("changes", [{}, LIMIT, LIMIT | VETOES], ids=["no limit", "limit", "limit and veto"])
def test_decisions_taken_in_portions_are_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    def prepare(folder: str) -> Workspace:
        ws = make_workspace(tmp_path / folder, **changes)
        publish_days(ws, [*TRAINED, DAY], count=20)
        put_champion_in_force(ws, DAY)
        mark_first_unit_suspect(ws, KEY)
        return ws

    def decide(ws: Workspace) -> tuple[dict[str, bytes], list[TakenDecisions]]:
        taken = [*take_decisions(ws, [KEY_BEFORE, KEY], "replay", datetime(2013, 3, 13, 12)).values()]
        taken += take_decisions(ws, [KEY_BEFORE, KEY], "replay", None).values()
        return {name: file for name, file in read_lake(ws.lake).items() if "decisions" in name}, taken

    homes = [prepare(folder) for folder in ("undivided", "in portions")]
    undivided = decide(homes[0])
    use_small_portions(monkeypatch)
    assert decide(homes[1]) == undivided


QUOTED = {
    "kpi": {
        "actions": {
            "wait": {"description": "wait"},
            "act": {"description": "act", "cost": 3, "gain": 10},
            "don't wait": {"description": "call twice", "cost": "load * 4", "gain": 11},
        },
        "candidates": {"twice": {"description": "Always twice.", "action": "'don''t wait'"}},
    },
    "people": {
        "review": {"reviewers": {"ann": 40}, "minutes_per_review": 5, "abstain_below": 2, "rule": "twice"},
    },
}


def test_an_action_with_an_apostrophe_works_from_features_to_accounts(tmp_path: Path) -> None:
    from sixtyforty.accounting import kpi_audit, kpi_ledger
    from sixtyforty.decisions.delivery import deliver_decisions
    from sixtyforty.decisions.provenance import trace_decision
    from sixtyforty.decisions.review_queue import queue_reviews, read_queue

    ws = make_workspace(tmp_path, **QUOTED)
    (ws.use_case.folder / "current_process.sql").write_text(
        "select id, case when load > 0.7 then 'don''t wait' else 'wait' end as action from units"
    )
    publish_days(ws, [*TRAINED, DAY], count=20)
    put_champion_in_force(ws, DAY)
    entries = {KEY: take_decisions(ws, [KEY], "replay", None)[KEY].entry}
    decisions = read_decisions(ws, KEY, "replay")
    assert "don't wait" in {d.action for d in decisions}
    assert "don't wait" in {d.current_action for d in decisions}
    queue_reviews(ws, [KEY], "replay")
    assert "don't wait" in {item.alternative for item in read_queue(ws, KEY, "replay")}
    assert deliver_decisions(ws, entries, "replay")[KEY].new == 20
    account = kpi_ledger.write_accounts(ws, [KEY], "replay")[KEY]
    assert account.facts["decisions"] == 20
    assert kpi_audit.find_differences(ws, "replay", [KEY]) == []
    trace = trace_decision(ws, next(d.decision_id for d in decisions if d.action == "don't wait"))
    assert trace.outcome and trace.outcome.value is not None


COLUMN = 'lo"ad'


def test_a_column_with_a_quote_works_from_features_to_accounts(tmp_path: Path) -> None:
    from sixtyforty.accounting import kpi_audit, kpi_ledger
    from sixtyforty.decisions.decision_search import search_decisions
    from sixtyforty.decisions.provenance import trace_decision

    key, outcome = 'i"d', 'la"te'
    ws = make_workspace(
        tmp_path,
        sources={
            "calls": {
                "columns": {key: "INTEGER", "site": "VARCHAR", "call_hour": "TIMESTAMP", COLUMN: "DOUBLE"},
                "key": [key],
            }
        },
        decision={"key": [key]},
        kpi={"outcome": outcome, "segments": [COLUMN]},
        model={"reasons": {COLUMN: "The load is {value:.0%}"}},
    )
    # The helper's columns stay declared; only the renamed ones are used.
    columns = {"id": "INTEGER", "load": "DOUBLE"}
    assert columns.keys() <= ws.use_case.sources["calls"].columns.keys()
    for stage, text in {
        "features": 'select "i""d", site, "lo""ad" from units',
        "current_process": """
            select "i""d", case when "lo""ad" > 0.7 then 'act' else 'wait' end as action from units""",
        "outcomes": """
            select u."i""d", v.late as "la""te", v.known_at from units u left join visits v on v.id = u."i""d\"""",
    }.items():
        (ws.use_case.folder / f"{stage}.sql").write_text(text)
    _publish_renamed(ws)
    put_champion_in_force(ws, DAY)
    take_decisions(ws, [KEY], "replay", None)
    decisions = read_decisions(ws, KEY, "replay")
    assert len(decisions) == 20 and all(d.unit[key] for d in decisions)
    kpi_ledger.write_accounts(ws, [KEY], "replay")
    assert kpi_audit.find_differences(ws, "replay", [KEY]) == []
    (hit,) = search_decisions(ws, "replay", str(decisions[0].unit[key]), limit=1)
    features = trace_decision(ws, hit.decision_id).features
    assert features and features[COLUMN] is not None


def _publish_renamed(ws: Workspace) -> None:
    """Publish the days of the small use case, with the columns of calls that have quotes in their names."""
    from tests.helpers import VISITS, calls_on, csv_text, publish_landed_days, visits_on

    header = 'id,site,call_hour,load,"i""d","lo""ad"\n'
    for day in [*TRAINED, DAY]:
        calls = [f"{number},{site},{hour},{load},{number},{load}\n" for number, site, hour, load in calls_on(day, 20)]
        land_extract(ws.landing, f"calls_{day}.csv", header + "".join(calls))
        land_extract(ws.landing, f"visits_{day}.csv", csv_text(VISITS, visits_on(day, 20)))
    publish_landed_days(ws, [day.isoformat() for day in [*TRAINED, DAY]])
