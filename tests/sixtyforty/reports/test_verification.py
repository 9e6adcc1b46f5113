"""A verification finds nothing in a sound home, and accepts ledgers only on a person's word."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.reports.verification import accept_ledgers, verify_use_case
from sixtyforty.storage.ledger_anchors import LedgerError
from sixtyforty.storage.security_log import SecurityEvent, open_security_log
from sixtyforty.storage.witness import LedgerHead
from sixtyforty.workspace import Workspace
from tests.verified_home import copy_verified_home, forge_row


@pytest.fixture
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return copy_verified_home(tmp_path_factory)


def test_a_sound_home_has_no_differences_and_every_kind_was_checked(ws: Workspace) -> None:
    verification = verify_use_case(ws)
    assert verification.differences == []
    assert verification.checked.keys() >= {
        "ledgers",
        "model cards",
        "model versions",
        "files of the lake",
        "partitions of deliveries",
        "responses",
    }
    assert [head.ledger for head in verification.heads] == ["champion.jsonl", "findings.jsonl", "rollout.jsonl"]
    assert all(len(head.hash) == 64 for head in verification.heads)


def test_a_head_that_a_witness_knows_must_be_in_the_ledger(ws: Workspace) -> None:
    (head, *_) = verify_use_case(ws, quick=True).heads
    longer = LedgerHead(head.use_case, head.ledger, head.rows + 1, head.hash)
    other = LedgerHead(head.use_case, head.ledger, head.rows, "0" * 64)
    foreign = LedgerHead("another", head.ledger, 99, head.hash)
    assert verify_use_case(ws, quick=True, known_heads=[head, foreign]).differences == []
    assert verify_use_case(ws, quick=True, known_heads=[longer, other]).differences == [
        f"champion.jsonl has {head.rows} rows, but the witness knows {head.rows + 1}.",
        f"row {head.rows} of champion.jsonl differs from the head that the witness knows.",
    ]


def test_a_cut_security_log_differs_from_the_head_that_a_witness_knows(ws: Workspace) -> None:
    with open_security_log(ws.database_url) as log:
        for person in ("ann", "ben"):
            log.record(SecurityEvent("log-in", person, "192.0.2.1"))
    sound = verify_use_case(ws)
    assert (sound.differences, sound.checked["rows of the security log"]) == ([], 2)
    (head,) = [head for head in sound.heads if head.ledger == "security_log"]
    with closing(sqlite3.connect(ws.database_url.removeprefix("sqlite:///"))) as db:
        db.executescript("drop trigger security_log_no_delete; delete from security_log where seq = 2")
    assert verify_use_case(ws).differences == []
    assert verify_use_case(ws, quick=True, known_heads=[head]).differences == [
        "security_log has 1 row, but the witness knows 2."
    ]
    with closing(sqlite3.connect(ws.database_url.removeprefix("sqlite:///"))) as db:
        db.executescript("drop trigger security_log_no_update; update security_log set person = 'eve'")
    (difference,) = verify_use_case(ws).differences
    assert difference.startswith("The security log was changed: row 1")


def test_a_decision_changed_with_its_manifest_differs_from_its_delivered_row(ws: Workspace) -> None:
    partition = ws.lake.partitions("decisions/live")[-1]
    entry = ws.lake.entries("decisions/live", [partition])[partition]
    rows = pq.read_table(ws.lake.local_file(entry))
    reasons = pa.array(["rewritten", *rows["reason"].to_pylist()[1:]])
    changed = rows.set_column(rows.column_names.index("reason"), "reason", reasons)
    ws.lake.write("decisions/live", partition, changed, inputs=entry.inputs, code=entry.code, facts=entry.facts)
    (difference,) = verify_use_case(ws).differences
    assert difference.endswith("differs from the decision and its answers in reason.")


def test_a_history_without_the_features_of_a_decision_is_named(ws: Workspace) -> None:
    partition = ws.lake.partitions("features")[-1]
    entry = ws.lake.entries("features", [partition])[partition]
    rows = pq.read_table(ws.lake.local_file(entry))
    ws.lake.write("features", partition, rows, inputs=entry.inputs, code="another", facts=entry.facts)
    assert verify_use_case(ws).differences == []
    assert isinstance(ws.lake.root, Path)
    shutil.rmtree(ws.lake.root / "history")
    (difference,) = verify_use_case(ws).differences
    assert (
        difference
        == f"decisions/live/{partition} was decided on features {entry.version}, which the lake no longer has."
    )


def test_a_cut_manifest_is_named(ws: Workspace) -> None:
    """It once counted as no manifest at all, so nobody heard of it."""
    assert isinstance(ws.lake.root, Path)
    manifest = sorted((ws.lake.root / "features").glob("*.json"))[0]
    manifest.write_bytes(manifest.read_bytes()[:100])
    assert f"features/{manifest.name}: the manifest is damaged." in verify_use_case(ws).differences


def test_nothing_is_appended_to_a_ledger_with_a_forged_row_until_a_person_accepts_it(ws: Workspace) -> None:
    forge_row(ws.rollout_ledger)
    with pytest.raises(LedgerError, match=r"row 2 of rollout\.jsonl has no anchor"):
        ws.rollout_ledger.take_step("full", by="ada", why="ready", effective_from="2013-05-01T00:00:00")
    assert len(ws.rollout_ledger.rows()) == 2
    accept_ledgers(ws, "ada", "restored from a back-up")
    assert verify_use_case(ws, quick=True).differences == []
    ws.rollout_ledger.take_step("full", by="ada", why="ready", effective_from="2013-05-01T00:00:00")
    assert len(ws.rollout_ledger.rows()) == 3
