"""The data stages: what they publish, check and log."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest

from assets import data
from assets.stage import REFUSED
from expectations import suites
from sixtyforty.ingest.quarantine import export_quarantine
from sixtyforty.ingest.reader_process import stop_reader
from sixtyforty.reports.current_state import describe_current_state
from sixtyforty.workspace import Workspace
from tests.assets.conftest import make_run
from tests.breaking_reader import use_breaking_reader
from tests.helpers import (
    CALLS,
    accept_partitions,
    calls_on,
    csv_text,
    land_days,
    land_extract,
    make_workspace,
    publish_days,
)
from tests.small_portions import use_small_portions

DAYS = [date(2013, 4, day) for day in (1, 2)]
KEYS = [day.isoformat() for day in DAYS]


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Suites of the small use case: loads are between 0 and 1."""
    folder = tmp_path / "suites" / "calls_in_time"
    folder.mkdir(parents=True)
    between = "expect_column_values_to_be_between, kwargs: {column: load, min_value: 0, max_value: 1}"
    rule = f"  - {{type: {between}, severity: critical, why: a load is a share}}"
    rows = {"calls": f"rows:\n{rule}\n", "visits": "", "features": ""}
    for name, text in rows.items():
        (folder / f"{name}.yaml").write_text(f"description: for the test\n{text}")
    monkeypatch.setattr(suites, "HERE", tmp_path / "suites")
    return folder


def test_raw_shows_its_extracts_and_refuses_an_unreadable_one(workspace: Workspace) -> None:
    land_days(workspace, DAYS)
    sound = data.import_extracts(run := make_run(workspace, KEYS, "calls"))
    assert set(sound.published) == set(KEYS)
    metadata = sound.published[KEYS[0]].metadata
    assert (metadata["dagster/partition_row_count"], metadata["extracts"]) == (4, 1)
    assert metadata["files"] == "calls_2013-04-01.csv"
    assert [check.passed for check in sound.checks] == [True]
    assert run.log.lines == ["INFO: raw calls: imported (2 partitions, 0 of 2 extracts refused)"]
    land_extract(workspace.landing, "calls_broken.csv", "not,the,header\n1,2,3\n")
    (check,) = data.import_extracts(make_run(workspace, KEYS, "calls")).checks
    assert (check.passed, check.warn, check.description) == (False, True, "1 of 3 extracts refused")
    assert check.metadata["extracts refused"].records[0].data["file"] == "calls_broken.csv"


def test_a_feed_without_any_usable_extract_or_row_is_a_refusal(workspace: Workspace, rules: Path) -> None:
    land_days(workspace, DAYS[:1])
    land_extract(workspace.landing, f"calls_{KEYS[1]}.csv", "not,the,header\n1,2,3\n")
    for keys, is_refused in ((KEYS, False), (KEYS[1:], True)):
        (raw,) = data.import_extracts(make_run(workspace, keys, "calls")).checks
        assert (raw.passed, REFUSED in raw.metadata) == (False, is_refused)
        validated = data.validate_source(make_run(workspace, keys, "calls")).checks
        assert any(REFUSED in check.metadata for check in validated) == is_refused
    assert str(raw.metadata[REFUSED]).startswith(
        f"no extract of the run's partitions can be used. calls_{KEYS[1]}.csv:"
    )
    (reason,) = (str(check.metadata[REFUSED]) for check in validated if REFUSED in check.metadata)
    assert reason.startswith(f"no partition of the run is accepted. {KEYS[1]}: calls_{KEYS[1]}.csv:")


def test_a_feed_without_any_extract_is_a_refusal(workspace: Workspace) -> None:
    """A run whose source had a wrong location or glob succeeded."""
    (check,) = data.import_extracts(make_run(workspace, KEYS, "calls")).checks
    assert (check.passed, check.warn, check.description) == (False, True, "0 of 0 extracts refused")
    assert check.metadata[REFUSED] == (
        "no extract has arrived. Land a file that matches 'calls_*.csv' in its landing folder,"
        " data/landing/calls_in_time."
    )
    land_days(workspace, DAYS[:1])
    (check,) = data.import_extracts(make_run(workspace, KEYS[1:], "calls")).checks
    assert check.passed and REFUSED not in check.metadata, "a day without an extract is no fault"


def test_a_run_names_a_column_of_another_type_once(workspace: Workspace, rules: Path) -> None:
    """In the second extract, each number has a letter: one warning names the column, besides the rows' own reasons."""
    land_days(workspace, DAYS[:1])
    calls = [(f"{number}x", site, hour, load) for number, site, hour, load in calls_on(DAYS[1])]
    land_extract(workspace.landing, f"calls_{KEYS[1]}.csv", csv_text(CALLS, calls))
    data.import_extracts(make_run(workspace, KEYS, "calls"))
    data.validate_source(run := make_run(workspace, KEYS, "calls"))
    retyped = [line for line in run.log.lines if "another type" in line]
    assert retyped == [
        "WARNING: validated calls: rows quarantined (columns of another type: id was INTEGER, is now VARCHAR)"
    ]
    data.validate_source(run := make_run(workspace, KEYS[:1], "calls"))
    assert not any("another type" in line for line in run.log.lines)


def test_the_check_of_raw_names_columns_that_the_contract_lacks(workspace: Workspace) -> None:
    land_days(workspace, DAYS)
    (check,) = data.import_extracts(make_run(workspace, KEYS, "calls")).checks
    assert "undeclared columns" not in check.metadata
    for name in "ab":
        text = csv_text({"columns": [*CALLS["columns"], "note", "Size"]}, [(*calls_on(DAYS[0])[0], name, name)])
        land_extract(workspace.landing, f"calls_{name}.csv", text)
    (check,) = data.import_extracts(make_run(workspace, KEYS, "calls")).checks
    assert check.passed
    assert check.metadata["undeclared columns"] == "Size (newest: calls_b.csv), note (newest: calls_b.csv)"
    assert "headers of new extracts" not in check.metadata


def test_validated_publishes_what_is_accepted_and_conserves_every_row(workspace: Workspace, rules: Path) -> None:
    land_days(workspace, DAYS)
    data.import_extracts(make_run(workspace, KEYS, "calls"))
    result = data.validate_source(run := make_run(workspace, KEYS, "calls"))
    assert set(result.published) == set(KEYS)
    contract = {check.partition: check.passed for check in result.checks if check.name == "contract"}
    assert contract == dict.fromkeys(KEYS, True)
    (conservation,) = [check for check in result.checks if check.name == "conservation"]
    assert conservation.passed
    assert conservation.description == "2 partitions accepted, 0 rejected, 0 rows quarantined"
    assert run.log.lines[-1] == f"INFO: validated calls: checked ({conservation.description})"


def test_validated_counts_resubmitted_rows_where_they_were_in_quarantine(rules: Path, tmp_path: Path) -> None:
    """A row of the first day is corrected onto the second day: both pages have their new counts after that run."""
    workspace = make_workspace(tmp_path, governance={"max_quarantined_share": 0.9})
    land_days(workspace, DAYS)
    first, *others = calls_on(DAYS[0])
    for calls in ([(*first[:-1], "much"), *others], [(*first[:2], f"{KEYS[1]} 16:00:00", 0.5)]):
        land_extract(workspace.landing, f"calls_{len(calls)}.csv", csv_text(CALLS, calls))
        data.import_extracts(make_run(workspace, KEYS, "calls"))
        stage = data.validate_source(make_run(workspace, KEYS, "calls"))
        figures = {key: published.metadata for key, published in stage.published.items()}
        if len(calls) > 1:
            export_quarantine(workspace.landing, "calls", tmp_path / "calls_corrections.csv", "code")
            assert [figures[key]["rows quarantined"] for key in KEYS] == [1, 0]
            assert [figures[key]["rows resubmitted"] for key in KEYS] == [0, 0]
    assert [figures[key]["rows quarantined"] for key in KEYS] == [0, 0]
    assert [figures[key]["rows resubmitted"] for key in KEYS] == [1, 0]


def test_a_rejected_partition_keeps_its_earlier_version_in_force(workspace: Workspace, rules: Path) -> None:
    land_days(workspace, DAYS)
    data.import_extracts(make_run(workspace, KEYS, "calls"))
    before = data.validate_source(make_run(workspace, KEYS, "calls")).published[KEYS[0]].version
    wrong = [(number, site, hour, load + 5) for number, site, hour, load in calls_on(DAYS[0])]
    land_extract(workspace.landing, f"calls_{DAYS[0]}.csv", csv_text(CALLS, wrong))
    data.import_extracts(make_run(workspace, KEYS, "calls"))
    result = data.validate_source(run := make_run(workspace, KEYS, "calls"))
    assert set(result.published) == {KEYS[1]}
    rejection = result.rejected[KEYS[0]]
    assert rejection.reason.endswith("The version that was accepted earlier stays in force (4 rows). It is now stale.")
    now = {check.name: check for check in result.checks}["partitions_rejected_now"]
    assert not now.passed
    assert now.description.startswith("1 partition rejected at present. 2013-04-01: ")
    (rejected,) = [line for line in run.log.lines if line.startswith("ERROR")]
    assert "validated calls 2013-04-01: rejected" in rejected
    assert rejected.endswith("The earlier accepted version stays in force and is now stale.")
    entry = workspace.lake.entry("validated/calls", KEYS[0])
    assert entry is not None and entry.version == before
    land_extract(workspace.landing, f"calls_{DAYS[0]}.csv", csv_text(CALLS, calls_on(DAYS[0])))
    data.import_extracts(make_run(workspace, KEYS, "calls"))
    corrected = data.validate_source(make_run(workspace, KEYS, "calls"))
    now = {check.name: check for check in corrected.checks}["partitions_rejected_now"]
    assert (now.passed, now.description) == (True, "no partition is rejected at present")
    assert corrected.rejected == {}


def test_an_emptied_extract_takes_its_rows_back_when_the_corrected_one_has_another_name(
    workspace: Workspace, rules: Path
) -> None:
    land_days(workspace, DAYS)
    data.import_extracts(make_run(workspace, KEYS, "calls"))
    data.validate_source(make_run(workspace, KEYS, "calls"))
    wrong = [(number + 900, site, hour, load + 5) for number, site, hour, load in calls_on(DAYS[0])]
    land_extract(workspace.landing, "calls_wrong.csv", csv_text(CALLS, wrong))  # no corrected row has these keys
    data.import_extracts(make_run(workspace, KEYS, "calls"))
    assert data.validate_source(make_run(workspace, KEYS, "calls")).rejected
    (workspace.landing.folder / "calls_wrong.csv").unlink()
    land_extract(workspace.landing, "calls_corrected.csv", csv_text(CALLS, calls_on(DAYS[0])))
    data.import_extracts(make_run(workspace, KEYS, "calls"))
    still = data.validate_source(make_run(workspace, KEYS, "calls"))
    assert still.rejected, "a file that was archived takes no row back"
    land_extract(workspace.landing, "calls_wrong.csv", csv_text(CALLS, []))
    data.import_extracts(make_run(workspace, KEYS, "calls"))
    corrected = data.validate_source(make_run(workspace, KEYS, "calls"))
    assert corrected.rejected == {}
    assert set(corrected.published) == set(KEYS)


def test_features_are_checked_for_leakage_and_fitness(workspace: Workspace, rules: Path) -> None:
    land_days(workspace, DAYS)
    accept_partitions(workspace, KEYS)
    result = data.build_features(run := make_run(workspace, KEYS))
    assert set(result.published) == set(KEYS)
    checks = {(check.name, check.partition): check.passed for check in result.checks}
    passed = {("features_built", None): True, ("no_leakage", None): True}
    assert checks == {("fit_for_model", key): True for key in KEYS} | passed
    figures = "2 partitions; the current process decides 0 units with suspect features"
    assert run.log.lines == [f"INFO: features: built ({figures})"]


LEAKY = "select id, site, load, (select max(load) from calls) as busiest, load as _vendor from units"


@pytest.mark.parametrize("sql", ["select id, site, load from units", LEAKY], ids=["sound", "leaky"])
@pytest.mark.parametrize("keys", [KEYS[:1], KEYS], ids=["one day", "two days"])
def test_a_large_partition_streams_with_the_same_rows_verdicts_and_leaks(
    tmp_path: Path, rules: Path, monkeypatch: pytest.MonkeyPatch, sql: str, keys: list[str]
) -> None:
    def build(folder: str) -> tuple[object, ...]:
        ws = make_workspace(tmp_path / folder)
        (ws.use_case.folder / "features.sql").write_text(sql)
        land_days(ws, DAYS, count=20)
        accept_partitions(ws, KEYS)
        rows = [(number, site, hour, load * 1.5) for number, site, hour, load in calls_on(DAYS[0], 20)]  # some above 1
        land_extract(ws.landing, f"calls_{DAYS[0]}.csv", csv_text(CALLS, rows))
        accept_partitions(ws, KEYS)
        features, outcomes = data.build_features(make_run(ws, keys)), data.record_outcomes(run := make_run(ws, keys))
        entries = [ws.lake.entries(stage) for stage in ("features", "outcomes")]
        checks = [(check.name, check.partition, check.passed, check.description) for check in features.checks]
        figures = [partition.metadata for partition in outcomes.published.values()]
        return entries, checks, figures, run.log.lines

    in_memory = build("small")
    use_small_portions(monkeypatch)
    assert build("large") == in_memory


def test_outcomes_count_what_is_known(workspace: Workspace) -> None:
    publish_days(workspace, DAYS)
    result = data.record_outcomes(run := make_run(workspace, KEYS))
    metadata = result.published[KEYS[0]].metadata
    assert (metadata["outcomes known"], metadata["outcomes unknown"]) == (4, 0)
    assert metadata["average of late"] == pytest.approx(0.5, abs=0.26)
    assert run.log.lines == ["INFO: outcomes: recorded (2 partitions)"]


def test_an_extract_that_ends_the_reader_twice_is_named_with_the_cure(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_breaking_reader(monkeypatch)
    land_days(workspace, DAYS[:1])
    land_extract(workspace.landing, f"calls_{KEYS[1]}_needs_memory.csv", csv_text(CALLS, calls_on(DAYS[1])))
    (check,) = data.import_extracts(run := make_run(workspace, KEYS, "calls")).checks
    stop_reader()
    assert set(workspace.lake.partitions("raw/calls")) == set(KEYS)
    assert (check.passed, check.description) == (False, "1 of 2 extracts refused")
    (row,) = (record.data for record in check.metadata["extracts refused"].records)
    why = "reading the file needs more than 1,012 MB of memory. Raise SIXTYFORTY_MEMORY, or ask the sender to split the"
    assert row == {"file": f"calls_{KEYS[1]}_needs_memory.csv", "lines": 4, "why": f"{why} file."}
    assert run.log.lines[0] == f"WARNING: raw calls: problem with {row['file']}: {row['why']}"
    calls = describe_current_state(workspace, [], datetime(2013, 4, 10)).sources[0]
    assert (calls.extracts, calls.unreadable) == (2, 1)


def test_a_run_names_once_how_the_headers_differ_from_the_contract(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"calls": {"optional_columns": ["load"]}})
    for day, text in zip(KEYS, (csv_text(CALLS, calls_on(day)) for day in DAYS), strict=True):
        renamed = text.replace(",load", ",load_share").replace(",", ";")
        land_extract(ws.landing, f"calls_{day}.csv", renamed.encode("utf-16"))
    (check,) = data.import_extracts(run := make_run(ws, KEYS, "calls")).checks
    notes = [
        "header of 2 extracts: renamed columns: load is now load_share",
        "header of 2 extracts: delimiter ';', not declared",
        "header of 2 extracts: encoding 'utf-16-le', not declared",
    ]
    assert check.passed
    assert check.metadata["headers of new extracts"] == "\n".join(notes)
    reason = "columns left out, because the data contract doesn't declare them"
    undeclared = f"INFO: raw calls: {reason} (load_share (newest: calls_{KEYS[1]}.csv))"
    read = [f"INFO: raw calls: new extracts read ({note})" for note in notes]
    assert run.log.lines[:-1] == [*read, undeclared]
    (check,) = data.import_extracts(run := make_run(replace(ws), KEYS, "calls")).checks
    assert "headers of new extracts" not in check.metadata
    assert run.log.lines[:-1] == [undeclared]
