"""The alert about changed ledgers names each ledger once, and says what it means for decisions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.demo.drill.manipulations import cut_tail
from sixtyforty.reports.findings import open_findings
from sixtyforty.reports.ledger_alerts import EFFECT, find_changed_ledgers
from sixtyforty.storage.databases import DatabaseError
from tests.verified_home import copy_verified_home, forge_row


def test_each_changed_ledger_is_an_alert(tmp_path_factory: pytest.TempPathFactory) -> None:
    ws = copy_verified_home(tmp_path_factory)
    assert find_changed_ledgers(ws, "live") == []
    with pytest.raises(DatabaseError):
        find_changed_ledgers(replace(ws, database_url="postgresql://nobody@127.0.0.1:1/none"), "live")
    cut_tail(ws)
    forge_row(open_findings(ws))
    champion, findings = sorted(find_changed_ledgers(ws, "live"), key=lambda alert: alert.subject)
    assert (champion.subject, findings.subject) == ("champion.jsonl", "findings.jsonl")
    assert EFFECT in champion.text
    assert findings.text.startswith("Row 2 of findings.jsonl has no anchor: Sixtyforty didn't write it. Find out who")
