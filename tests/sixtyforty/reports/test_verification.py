"""A verification finds nothing in a sound home, and accepts ledgers only on a person's word."""

from __future__ import annotations

import pytest

from sixtyforty.reports.verification import accept_ledgers, verify_use_case
from sixtyforty.storage.ledger_anchors import LedgerError
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


def test_nothing_is_appended_to_a_ledger_with_a_forged_row_until_a_person_accepts_it(ws: Workspace) -> None:
    forge_row(ws.rollout_ledger)
    with pytest.raises(LedgerError, match=r"row 2 of rollout\.jsonl has no anchor"):
        ws.rollout_ledger.take_step("full", by="ada", why="ready", effective_from="2013-05-01T00:00:00")
    assert len(ws.rollout_ledger.rows()) == 2
    accept_ledgers(ws, "ada", "restored from a back-up")
    assert verify_use_case(ws, quick=True).differences == []
    ws.rollout_ledger.take_step("full", by="ada", why="ready", effective_from="2013-05-01T00:00:00")
    assert len(ws.rollout_ledger.rows()) == 3
