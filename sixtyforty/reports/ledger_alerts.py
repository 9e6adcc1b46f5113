"""The alert about ledgers that differ from their hashes or anchors."""

from __future__ import annotations

from sixtyforty.decisions.ledger_check import check_ledgers, list_deciding_ledgers
from sixtyforty.reports.alerts import Alert
from sixtyforty.reports.verification import list_ledgers
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import capitalize_first
from sixtyforty.storage.databases import DatabaseError
from sixtyforty.storage.ledger_anchors import CURE
from sixtyforty.workspace import Workspace

EFFECT = "Until it is put right, the current process decides. "


def find_changed_ledgers(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert for each ledger that differs from its hashes or anchors. The argument `track` isn't used.

    Raises DatabaseError if the anchors can't be read, and no hash differs.
    """
    check = check_ledgers(ws, list_ledgers(ws))
    if check.unread and not check.problems:
        raise DatabaseError(check.unread)
    deciding = {ledger.path.name for ledger in list_deciding_ledgers(ws)}
    return [
        Alert("ledger differs", name, f"{capitalize_first(problem)}. {EFFECT if name in deciding else ''}{CURE}")
        for name, problem in check.problems.items()
    ]
