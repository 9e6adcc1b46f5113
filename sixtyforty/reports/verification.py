"""Verify what a use case stored: its ledgers, models, lake, deliveries and responses.

Each difference is one sentence that names the thing that differs. A quick verification reads the ledgers, their anchors
and the model cards, and the newest partitions of decisions. A full one hashes every file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sixtyforty.accounting.assumption_ledger import open_assumption_ledger
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.delivery_reconciliation import (
    find_delivery_differences,
    find_lost_features,
    find_undecided_rows,
)
from sixtyforty.decisions.responses import find_forged_responses
from sixtyforty.lifecycle.name_ledger import open_name_ledger, verify_names
from sixtyforty.lifecycle.training import open_training_ledger
from sixtyforty.lifecycle.vendor_extracts import open_vendor_extract_ledger
from sixtyforty.modeling.model_verification import find_changed_files, find_exchanged, newest_bounds
from sixtyforty.progress import Work, begin_work
from sixtyforty.reports.findings import add_finding, open_findings
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.hash_chain import ChainedRow, HashChain
from sixtyforty.storage.lake_verification import find_file_differences, find_lost_inputs, index_lake
from sixtyforty.storage.ledger_anchors import LedgerError, find_anchor_problems
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.security_log import TABLE as SECURITY_LOG
from sixtyforty.storage.security_log import SecurityLogError, has_security_log, open_security_log
from sixtyforty.storage.witness import LedgerHead, send_heads, witness_address
from sixtyforty.workspace import Workspace

TRACKS: tuple[Track, ...] = ("live", "replay")
CHECKS_PER_DECIDED_PARTITION = 2  # of its file, and of its delivery
QUICK_PARTITIONS = 3  # newest partitions of decisions of each track that a quick verification reads

Rows = Sequence[ChainedRow]


class VerificationError(SixtyfortyError):
    """Something that was stored differs from its hashes, its anchors or its deliveries."""


@dataclass
class Verification:
    """The result of a verification.

    - checked: how many things of each kind are sound.
    - differences: a sentence for each difference.
    - notes: what is no difference, but is less protected than it could be.
    - heads: the verified ledgers, for a witness.
    """

    use_case: str
    checked: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    heads: list[LedgerHead] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """What was verified, such as `7 ledgers, 3 model versions`."""
        return ", ".join(f"{count:,} {kind}" for kind, count in self.checked.items())

    def add(self, kind: str, outcomes: Iterable[str], work: Work | None = None, effort: float = 1) -> None:
        """Count outcomes and keep the differences. outcomes: "" for a sound thing, otherwise a difference.

        work, effort: count each outcome as progress. Comparing a delivered row takes about as long as hashing a file.
        """
        for outcome in outcomes:
            if work:
                work.advance(1, effort)
            if outcome:
                self.differences.append(f"{outcome}.")
                continue
            self.checked[kind] = self.checked.get(kind, 0) + 1


def list_ledgers(ws: Workspace) -> list[HashChain[Any]]:
    """Return all ledgers of a use case, whether they have rows or not."""
    return [
        ws.champion_ledger,
        ws.rollout_ledger,
        ws.stage_ledger,
        ws.exactness_ledger,
        open_training_ledger(ws),
        open_vendor_extract_ledger(ws),
        open_name_ledger(ws),
        open_findings(ws),
        open_assumption_ledger(ws),
    ]


def verify_use_case(
    ws: Workspace,
    *,
    quick: bool = False,
    known_heads: Sequence[LedgerHead] = (),
) -> Verification:
    """Verify everything that a use case stored, and return the differences.

    - quick: leave out what takes longer the more the use case has stored.
    - known_heads: heads that a witness, or a person who received a digest, kept.
    """
    verification = Verification(ws.use_case.name)
    rows_by_ledger = _verify_ledgers(ws, verification, known_heads)
    _verify_security_log(ws, verification, quick, known_heads)
    bounds = newest_bounds(rows_by_ledger.get(ws.champion_ledger.path.name, ()))  # type: ignore[arg-type]
    verification.add("model cards", find_exchanged(ws.models, bounds))
    if quick:
        for track in TRACKS:
            newest = ws.lake.partitions(decisions_dataset(track))[-QUICK_PARTITIONS:]
            _verify_decisions(ws, verification, track, ws.lake.entries(decisions_dataset(track), newest))
        return verification
    for version in ws.models.versions():
        verification.add("model versions", [*find_changed_files(ws.models, version), ""])
    _verify_lake(ws, verification)
    verification.add("responses", find_forged_responses(ws))
    return verification


def _verify_lake(ws: Workspace, verification: Verification) -> None:
    """Hash all files of the lake, follow the versions that they name, and reconcile all deliveries."""
    index = index_lake(ws.lake)
    verification.differences += [f"{problem}." for problem in index.problems]
    in_lake = [entry for entry in index.current if entry.dataset not in map(decisions_dataset, TRACKS)]
    decided_rows = sum(entry.rows for entry in index.current) - sum(entry.rows for entry in in_lake)
    checks = len(in_lake) + CHECKS_PER_DECIDED_PARTITION * (len(index.current) - len(in_lake))
    with begin_work(f"verify {ws.use_case.name}", "check", checks, effort=checks + decided_rows) as work:
        verification.add("files of the lake", find_file_differences(ws.lake, in_lake), work)
        verification.add("lost inputs", find_lost_inputs(index, [*map(decisions_dataset, TRACKS)]))
        for track in TRACKS:
            entries = {e.partition: e for e in index.current if e.dataset == decisions_dataset(track)}
            _verify_decisions(ws, verification, track, dict(sorted(entries.items())), work)
            verification.add("deliveries", find_undecided_rows(ws, track, set(entries)))
            verification.add("features", find_lost_features(ws, entries, index.known))


def _verify_ledgers(ws: Workspace, verification: Verification, known_heads: Sequence[LedgerHead]) -> Mapping[str, Rows]:
    """Verify the hash chain, anchors and known heads of each ledger. Return the rows of the sound chains by ledger."""
    rows_by_ledger: dict[str, Rows] = {}
    for ledger in list_ledgers(ws):
        try:
            rows_by_ledger[ledger.path.name] = ledger.rows()
        except LedgerError as error:
            verification.differences.append(str(error))
    anchors = ws.anchors.read() if ws.anchors else {}
    for name in sorted(rows_by_ledger.keys() | anchors.keys()):
        if name not in rows_by_ledger and name in {ledger.path.name for ledger in list_ledgers(ws)}:
            continue  # the broken chain was reported above
        rows = rows_by_ledger.get(name, ())
        verification.add("ledgers", [*find_anchor_problems(name, rows, anchors.get(name, ())), ""])
        if rows:
            verification.heads.append(LedgerHead(ws.use_case.first_name, name, rows[-1].seq, rows[-1].hash))
        if rows and name not in anchors:
            verification.notes.append(f"{name} has no anchor yet: its next row gets one.")
    verification.add("known heads", _find_head_problems(ws, rows_by_ledger, known_heads))
    try:
        verify_names(ws)
    except SixtyfortyError as error:
        verification.differences.append(str(error))
    return rows_by_ledger


def _verify_security_log(
    ws: Workspace,
    verification: Verification,
    quick: bool,
    known_heads: Sequence[LedgerHead],
) -> None:
    """Verify the security log, which all use cases of a database share. A quick verification only looks for heads."""
    known = [head for head in known_heads if head.use_case == ws.use_case.first_name and head.ledger == SECURITY_LOG]
    if not (ws.database_url and has_security_log(ws.database_url)):
        verification.add("known heads", [_compare_head(head, 0, "") for head in known])
        return
    with open_security_log(ws.database_url) as log:
        try:
            verification.add("rows of the security log", [""] * (0 if quick else log.verify()))
        except SecurityLogError as error:
            verification.differences.append(str(error))
        count, newest_hash = log.read_head()
        verification.add("known heads", [_compare_head(head, count, log.read_hash(head.rows)) for head in known])
    if count:
        verification.heads.append(LedgerHead(ws.use_case.first_name, SECURITY_LOG, count, newest_hash))


def _find_head_problems(
    ws: Workspace, rows_by_ledger: Mapping[str, Rows], known_heads: Sequence[LedgerHead]
) -> Iterable[str]:
    for head in known_heads:
        if head.use_case == ws.use_case.first_name and head.ledger != SECURITY_LOG:
            rows = rows_by_ledger.get(head.ledger, ())
            yield _compare_head(head, len(rows), rows[head.rows - 1].hash if 0 < head.rows <= len(rows) else "")


def _compare_head(head: LedgerHead, count: int, row_hash: str) -> str:
    """Return how a ledger differs from a known head; empty if it doesn't. row_hash: of the row that the head names."""
    if count < head.rows:
        return f"{head.ledger} has {format_plural(count, 'row')}, but the witness knows {head.rows}"
    if head.rows and row_hash != head.hash:
        return f"row {head.rows} of {head.ledger} differs from the head that the witness knows"
    return ""


def _verify_decisions(
    ws: Workspace,
    verification: Verification,
    track: Track,
    entries: Mapping[str, Entry],
    work: Work | None = None,
) -> None:
    """Hash the files of some decisions, and reconcile them with the delivered rows. work: counts both as progress."""
    verification.add("files of the lake", find_file_differences(ws.lake, entries.values()), work)
    rows = sum(entry.rows for entry in entries.values()) / max(1, len(entries))
    verification.add("partitions of deliveries", find_delivery_differences(ws, track, entries), work, effort=1 + rows)


def send_to_witness(verification: Verification) -> None:
    """Send the heads of the verified ledgers to the external witness, if one is set and nothing differs."""
    witness = witness_address()
    if witness and not verification.differences:
        send_heads(witness, verification.heads)


def accept_ledgers(ws: Workspace, by: str, why: str) -> None:
    """Replace the anchors by those of the ledgers as they are, for example after a restore, and record who did it.

    Raises LedgerError if the rows of a ledger don't match their own hashes.
    """
    differences = verify_use_case(ws, quick=True).differences
    rows = {ledger.path.name: ledger.rows() for ledger in list_ledgers(ws)}
    if ws.anchors:
        ws.anchors.replace({name: ledger_rows for name, ledger_rows in rows.items() if ledger_rows})
    text = "\n".join([why, "", "Differences at that time:", *(differences or ["none"])])
    add_finding(ws, by, text, "Ledgers accepted as they are")
