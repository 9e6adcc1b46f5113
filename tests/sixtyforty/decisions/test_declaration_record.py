"""Each declaration that takes decisions is stored once, and read back as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.declaration_record import describe_declaration, read_declaration, record_declaration
from sixtyforty.decisions.declared_version import declared_version, list_replayed_versions
from sixtyforty.storage.files import digest
from tests.helpers import make_use_case, make_workspace, publish_days, read_files

DAY = "2013-04-01"


def test_decisions_store_a_copy_of_their_declaration(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, [date.fromisoformat(DAY)])
    assert list_replayed_versions(ws) == []
    take_decisions(ws, [DAY], "replay", None)
    (version,) = list_replayed_versions(ws)
    copy = read_declaration(ws, version)
    assert copy is not None
    assert copy == describe_declaration(ws.use_case)
    assert digest({name: part for name, part in copy.items() if name != "models"}) == version

    changed = replace(ws, use_case=make_use_case(ws.use_case.folder, gate={"margin": 60}))
    take_decisions(changed, [DAY], "replay", None)
    assert read_declaration(ws, declared_version(changed.use_case)) is None, "no decision was taken"
    take_decisions(changed, [DAY], "replay", None, anew=True)
    assert list_replayed_versions(ws) == [declared_version(changed.use_case)]
    assert read_declaration(ws, version) == copy


def test_a_copy_is_written_once(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    record_declaration(ws)
    before = read_files(ws.lake.root)
    record_declaration(ws)
    assert read_files(ws.lake.root) == before
    assert read_declaration(ws, "0123456789abcdef") is None
