"""Compare ledgers with their own hashes and with their anchors, before a decision follows them.

A person who can write files can cut the tail of a ledger, or rewrite it with all hashes. The anchors in the delivery
database show that. While a ledger that deciding reads differs, the current process decides: nobody can tell which
champion, rollout step and stage are the right ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sixtyforty.storage.databases import DatabaseError
from sixtyforty.storage.hash_chain import HashChain, LedgerError
from sixtyforty.storage.ledger_anchors import Anchor, find_anchor_problems
from sixtyforty.workspace import Workspace

LEDGER_DIFFERS = "a ledger differs: "  # starts the reason of a decision that no ledger could be trusted for
LOOKS = 2  # a row that another process appends between two reads is no difference: the second look has it


@dataclass(frozen=True)
class LedgerCheck:
    """What a comparison of some ledgers showed.

    - problems: by file name of a ledger, the first difference as a clause; empty if the ledgers are sound.
    - unread: why the anchors could not be read; empty if they were. The hashes were compared nevertheless.
    """

    problems: dict[str, str] = field(default_factory=dict)
    unread: str = ""

    @property
    def reason(self) -> str:
        """Why the current process decides, as decisions store it; empty if the ledgers are sound."""
        problem = next(iter(self.problems.values()), "")
        return f"{LEDGER_DIFFERS}{problem}: the current process decides" if problem else ""


def list_deciding_ledgers(ws: Workspace) -> list[HashChain[Any]]:
    """Return the ledgers that deciding reads: champions with their withdrawals, rollout steps, and stages."""
    return [ws.champion_ledger, ws.rollout_ledger, ws.stage_ledger]


def check_deciding_ledgers(ws: Workspace) -> LedgerCheck:
    """Compare the ledgers that deciding reads."""
    return check_ledgers(ws, list_deciding_ledgers(ws))


def check_ledgers(ws: Workspace, ledgers: Sequence[HashChain[Any]]) -> LedgerCheck:
    """Compare some ledgers of a use case with their hashes and anchors.

    A database that can't be reached is no difference, because its fault must not stop decisions. The caller reports
    `unread`.
    """
    check = LedgerCheck()
    for _ in range(LOOKS):
        check = _look(ws, ledgers)
        if not check.problems:
            break
    return check


def _look(ws: Workspace, ledgers: Sequence[HashChain[Any]]) -> LedgerCheck:
    import sqlalchemy as sa

    anchors: dict[str, list[Anchor]] = {}
    problems, unread = {}, ""
    try:
        anchors = ws.anchors.read([ledger.path.name for ledger in ledgers]) if ws.anchors else {}
    except (DatabaseError, sa.exc.SQLAlchemyError) as error:  # a table of another form is no difference either
        unread = str(error).splitlines()[0]
    for ledger in ledgers:
        name = ledger.path.name
        try:
            differences = find_anchor_problems(name, ledger.rows(), anchors.get(name, ()))
        except LedgerError as error:
            differences = [error.problem]
        if differences:
            problems[name] = differences[0]
    return LedgerCheck(problems, unread)
