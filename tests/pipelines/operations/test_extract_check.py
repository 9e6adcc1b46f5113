"""A file is judged before it lands: name, columns, values and rules; nothing is written to the home."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from expectations.rules import Rule, Suite
from pipelines.operations.extract_check import CheckError, FileJudgement, check_extract
from sixtyforty.ingest.schema_drift import SchemaDrift
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, SITES, accept_partitions, calls_on, csv_text, land_extract, make_workspace, read_files

DAY = date(2013, 3, 10)
HEADER = "id,site,call_hour,load"
Judge = Callable[..., FileJudgement]


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "home", sources={"sites": SITES})


@pytest.fixture
def judge(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Judge lines as a file of the source `calls`."""

    def run(lines: Sequence[str], *rules: Rule, name: str = "calls_2013-03-10.csv") -> FileJudgement:
        suite = Suite(description="for the test", rows=list(rules))
        monkeypatch.setattr("pipelines.operations.extract_check.load_suite", lambda *_: suite)
        file = tmp_path / name
        file.write_text("\n".join(lines) + "\n")
        before = read_files(ws.home)
        judgement = check_extract(ws, "calls", file)
        assert read_files(ws.home) == before, "a check writes nothing to the home"
        rows = judgement.accepted + judgement.quarantined + judgement.duplicates + judgement.superseded
        assert judgement.landed == rows
        return judgement

    return run


def rule(kind: str, severity: str = "critical", **kwargs: Any) -> Rule:
    return Rule.model_validate(
        {"type": f"expect_{kind}", "severity": severity, "kwargs": kwargs, "why": "the value is odd"}
    )


def sound_lines() -> list[str]:
    return csv_text(CALLS, calls_on(DAY)).splitlines()


def test_a_sound_file_is_accepted(judge: Judge) -> None:
    judgement = judge(sound_lines())
    assert judgement.is_accepted and judgement.accepted == judgement.landed == 4
    assert (judgement.partitions, judgement.refused, judgement.drift.describe()) == ({"2013-03-10": 4}, [], [])


def test_rows_that_break_the_contract_or_a_rule_are_counted_by_reason(judge: Judge) -> None:
    lines = [*sound_lines(), "71,north,2013-03-10 12:00:00,lots", "72,north,2013-03-10 12:00:00,7.5", "73,north"]
    judgement = judge(lines, rule("column_values_to_be_between", column="load", max_value=1))
    assert (judgement.accepted, judgement.quarantined, judgement.is_accepted) == (4, 3, False)
    reasons = {tuple(refused.lines): refused.reason for refused in judgement.refused}
    assert "load" in reasons[(6,)] and "DOUBLE" in reasons[(6,)]
    assert "the value is odd" in reasons[(7,)]
    assert "fields" in reasons[(8,)]


def test_a_failed_warning_is_named_and_accepted(judge: Judge) -> None:
    judgement = judge(sound_lines(), rule("column_values_to_be_in_set", "warning", column="site", value_set=["west"]))
    assert judgement.is_accepted
    assert len(judgement.warnings) == 1 and judgement.warnings[0].startswith("site:")


def test_a_rule_reads_the_snapshot_of_the_home(judge: Judge, ws: Workspace) -> None:
    known = rule("column_values_to_be_in_set", column="site", value_set={"source": "sites", "column": "site"})
    land_extract(ws.landing, "sites.csv", "site,size\nnorth,3\n")
    accept_partitions(ws, ["all"])
    lines = [HEADER, "1,north,2013-03-10 12:00:00,0.5", "2,moon,2013-03-10 12:00:00,0.5"]
    judgement = judge(lines, known)
    assert (judgement.accepted, judgement.quarantined) == (1, 1)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("id,site,call_hour,load,note", "new columns, which are not imported: note"),
        ("id,site,call_hour", "missing columns: load"),
        ("id,site,CallHour,load", "renamed columns: call_hour is now CallHour"),
    ],
)
def test_another_header_is_named(header: str, text: str, judge: Judge) -> None:
    row = {"id": "1", "site": "north", "call_hour": "2013-03-10 12:00:00", "CallHour": "2013-03-10 12:00:00"}
    cells = [row.get(column, "0.5") for column in header.split(",")]
    judgement = judge([header, ",".join(cells)])
    assert text in judgement.drift.describe()
    assert judgement.is_accepted == header.endswith("note")
    assert (judgement.problem is None) == header.endswith("note")


def test_a_column_of_another_type_is_named(judge: Judge) -> None:
    judgement = judge([HEADER, *(f"A{n},north,2013-03-10 12:00:00,0.5" for n in range(4))])
    assert judgement.drift.retyped == {"id": ("INTEGER", "VARCHAR")}
    assert judgement.quarantined == 4 and not judgement.is_accepted


def test_one_bad_value_is_no_other_type(judge: Judge) -> None:
    judgement = judge([*sound_lines(), "A1,north,2013-03-10 12:00:00,0.5"])
    assert judgement.drift.retyped == {} and judgement.quarantined == 1


def test_a_name_that_no_scan_takes_is_named(judge: Judge) -> None:
    judgement = judge(sound_lines(), name="Calls [1].csv")
    assert judgement.accepted == 4 and not judgement.is_accepted
    assert judgement.name_problem == "a scan only takes names that match calls_*.csv. Rename the file."


def judge_mainframe(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileJudgement:
    """Judge a file of a source that declares how its files are written."""
    monkeypatch.setattr("pipelines.operations.extract_check.load_suite", lambda *_: Suite(description="none"))
    forms = {"encoding": "cp850", "delimiter": "~", "decimal": ",", "thousands": ".", "date_format": "%d.%m.%Y"}
    ws = make_workspace(tmp_path / "mainframe", sources={"calls": {"optional_columns": ["site"], **forms}})
    file = tmp_path / "calls_2013-03-10.csv"
    file.write_text(text, encoding="cp850")
    return check_extract(ws, "calls", file)


def test_a_file_is_read_as_its_source_declares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "id~site~call_hour~load\n1~Köln, Süd~10.03.2013 12:00:00~1.234,5\n2~Köln~10.03.2013 13:00:00~0,5\n"
    judgement = judge_mainframe(text, tmp_path, monkeypatch)
    assert (judgement.problem, judgement.drift, judgement.accepted) == (None, SchemaDrift(), 2)
    assert judgement.is_accepted


def test_columns_are_compared_as_the_source_declares_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "id~call_hour~Maß~load\n1~10.03.2013 12:00:00~1~0,5\n"
    judgement = judge_mainframe(text, tmp_path, monkeypatch)
    assert judgement.drift == SchemaDrift(new=["Maß"], optional=["site"]) and judgement.is_accepted
    judgement = judge_mainframe(text.replace("load", "loads"), tmp_path, monkeypatch)
    assert judgement.drift == SchemaDrift(new=["Maß"], renamed={"load": "loads"}, optional=["site"])


@pytest.mark.parametrize("name", [".calls_1.csv", "calls_1.csv.part", "calls_1.tmp", "calls_\udcff.csv"])
def test_a_name_that_every_scan_skips_is_an_error(name: str, judge: Judge) -> None:
    with pytest.raises(CheckError, match=rf"{name} can't be checked: a scan skips names that .*\. Rename the file"):
        judge(sound_lines(), name=name)


def test_a_name_of_a_folder_of_the_home_can_be_judged(judge: Judge) -> None:
    assert judge(sound_lines(), name="data").accepted == 4


def test_a_file_that_can_not_be_read_is_an_error(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(shutil, "copyfile", refuse)
    with pytest.raises(CheckError, match=r"calls_2013-03-10.csv: can't be copied .*Permission denied\).* may read it"):
        judge(sound_lines())


def test_a_warning_about_one_row_is_in_the_singular(judge: Judge) -> None:
    lines = [HEADER, "1,north,2013-03-10 12:00:00,0.5", "2,moon,2013-03-10 12:00:00,0.5"]
    judgement = judge(lines, rule("column_values_to_be_in_set", "warning", column="site", value_set=["north"]))
    assert judgement.warnings[0].endswith("(1 row)")


def test_a_source_or_a_file_that_does_not_exist_is_an_error(ws: Workspace, tmp_path: Path) -> None:
    with pytest.raises(CheckError, match=r"has no source 'call'\. Did you mean calls\?"):
        check_extract(ws, "call", tmp_path / "x.csv")
    with pytest.raises(CheckError, match="there is no such file"):
        check_extract(ws, "calls", tmp_path / "x.csv")
    with pytest.raises(CheckError, match="is a folder"):
        check_extract(ws, "calls", tmp_path)
