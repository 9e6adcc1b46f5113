"""The heads of ledgers reach a witness: a file or a program. What fails is an error without the address."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sixtyforty.storage.witness import LedgerHead, WitnessError, read_heads, send_heads, witness_address

HEADS = [LedgerHead("calls", "champion.jsonl", 2, "ab"), LedgerHead("calls", "rollout.jsonl", 1, "cd")]


def test_a_file_keeps_each_head_once(tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    assert read_heads(str(file)) == []
    send_heads(str(file), HEADS[:1])
    send_heads(str(file), HEADS)
    assert read_heads(str(file)) == HEADS


def test_a_program_reads_the_heads_from_its_input(tmp_path: Path) -> None:
    script = tmp_path / "keep.py"
    script.write_text(f"import sys; open({str(tmp_path / 'kept')!r}, 'w').write(sys.stdin.read())")
    command = f"command:{sys.executable} {script}"
    send_heads(command, HEADS)
    lines = (tmp_path / "kept").read_text().splitlines()
    assert [LedgerHead(**json.loads(line)) for line in lines] == HEADS
    assert read_heads(command) == []


@pytest.mark.parametrize(
    "address", ["command:false geheim", "https://ann:geheim@127.0.0.1:1/heads", "command:/missing/geheim"]
)
def test_a_witness_that_fails_is_an_error_without_its_address(address: str) -> None:
    with pytest.raises(WitnessError, match="The witness in SIXTYFORTY_WITNESS failed") as error:
        send_heads(address, HEADS)
    assert "geheim" not in str(error.value)


def test_a_file_with_other_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "heads").write_text('{"ledger": 1}\n')
    with pytest.raises(WitnessError, match="a line that is no head of a ledger"):
        read_heads(str(tmp_path / "heads"))


def test_the_setting_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXTYFORTY_WITNESS", "heads.jsonl")
    with pytest.raises(WitnessError, match="absolute path"):
        witness_address()
    monkeypatch.delenv("SIXTYFORTY_WITNESS")
    assert witness_address() == ""
