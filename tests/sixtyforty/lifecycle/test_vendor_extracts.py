"""A vendor gets units and nothing personal; each extract is recorded, and a strategic capability is never given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.accounting.build_or_buy import SourcingError
from sixtyforty.lifecycle.vendor_extracts import open_vendor_extract_ledger, write_vendor_extract
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.workspace import Workspace
from tests.helpers import SITES, land_extract, make_workspace, merge, publish_days
from tests.sixtyforty.accounting.test_build_or_buy import DAYS, KEYS, with_vendors


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """Features with a personal column, a copy of one under another name, a number and a text."""
    personal = {"sites": SITES | {"personal": ["site"]}, "calls": {"personal": ["load"]}}
    ws = make_workspace(tmp_path / "home", **with_vendors({"oracle": {}}), sources=personal)
    land_extract(ws.landing, "sites.csv", "site,size\nnorth,3\nsouth,5\n")
    (ws.use_case.folder / "features.sql").write_text(
        "select u.id, u.load, u.site as place, u.load * 2 as twice, 1 as _ours, 'x' as kind from units u"
    )
    publish_days(ws, DAYS[:3])
    return ws


def test_a_vendor_gets_units_and_nothing_personal(ws: Workspace, tmp_path: Path) -> None:
    path, row = write_vendor_extract(ws, "oracle", KEYS[:3], tmp_path / "out", "ann", "a trial")
    header, *lines = path.read_text().splitlines()
    assert header.split(",") == ["id", "decided_at", "kind"] == row.columns
    assert row.left_out == ["load", "place", "twice"], "the site under another name, and twice a personal number"
    assert len(lines) == row.rows == 12
    assert not {"north", "south"} & set(path.read_text().replace(",", "\n").split())


def test_a_derived_column_is_given_only_if_the_declaration_allows_it(ws: Workspace, tmp_path: Path) -> None:
    assert ws.use_case.sourcing
    sourcing = ws.use_case.sourcing.model_copy(update={"vendor_columns": ["twice", "load"]})
    allowed = replace(ws, use_case=ws.use_case.model_copy(update={"sourcing": sourcing}))
    _, row = write_vendor_extract(allowed, "oracle", KEYS[:3], tmp_path / "out", "ann", "a trial")
    assert row.columns == ["id", "decided_at", "twice", "kind"]
    assert row.left_out == ["load", "place"], "a personal column itself is never given"


def test_a_text_that_a_spreadsheet_would_run_is_neutralized(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path / "home", **with_vendors({"oracle": {}}))
    (ws.use_case.folder / "features.sql").write_text("select u.id, '=cmd()' as kind, -1.5 as low from units u")
    publish_days(ws, DAYS[:1])
    path, _ = write_vendor_extract(ws, "oracle", KEYS[:1], tmp_path / "out", "ann", "a trial")
    assert {line.split(",")[2:4][0] for line in path.read_text().splitlines()[1:]} == {"'=cmd()"}
    assert all(line.endswith(",-1.5") for line in path.read_text().splitlines()[1:])


def test_an_extract_is_recorded_and_a_changed_record_is_found(ws: Workspace, tmp_path: Path) -> None:
    write_vendor_extract(ws, "oracle", KEYS[:3], tmp_path / "out", "ann", "a trial")
    ledger = open_vendor_extract_ledger(ws)
    assert [(r.by, r.vendor, r.first, r.last) for r in ledger.rows()] == [("ann", "oracle", KEYS[0], KEYS[2])]
    assert isinstance(ledger.path, Path)
    ledger.path.write_text(ledger.path.read_text().replace("ann", "eve"))
    with pytest.raises(LedgerError, match="was changed"):
        ledger.rows()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (with_vendors({"oracle": {}}, strategic=True, why="our edge"), "The declared reason: our edge"),
        ({}, "declares no `sourcing`"),
        (with_vendors({"other": {}}), "'oracle' is not in sourcing.vendors. Declared vendors: other"),
        (
            merge(with_vendors({"oracle": {}}), {"sources": {"calls": {"personal": ["id"]}}}),
            "the decision key holds personal columns",
        ),
    ],
)
def test_what_a_vendor_may_not_get_is_not_written(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    ws = make_workspace(tmp_path / "home", **changes)
    publish_days(ws, DAYS[:1])
    with pytest.raises(SourcingError, match=reason):
        write_vendor_extract(ws, "oracle", KEYS[:1], tmp_path / "out", "ann", "a trial")
    assert not (tmp_path / "out").exists()
    assert open_vendor_extract_ledger(ws).rows() == []


def test_days_without_features_are_named(ws: Workspace, tmp_path: Path) -> None:
    with pytest.raises(SourcingError, match="no features from 2013-05-01 to 2013-05-02"):
        write_vendor_extract(ws, "oracle", ["2013-05-01", "2013-05-02"], tmp_path / "out", "ann", "a trial")
