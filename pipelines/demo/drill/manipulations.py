"""Plant the manipulations of an insider in a copy of a home. `sixtyforty verify` must name each of them.

Each function changes files or tables as a person with write access would, with all hashes calculated again where that
person could do so.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.demo.drill.live_days import DrillResult
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.delivery_table import delivery_table
from sixtyforty.decisions.responses import open_log
from sixtyforty.reports.verification import verify_use_case
from sixtyforty.spec.track import Track
from sixtyforty.storage.champion_ledger import ChampionLedger, ChampionRow
from sixtyforty.storage.databases import open_engine
from sixtyforty.storage.files import canonical_json, file_sha256, parquet_bytes, write_atomic
from sixtyforty.storage.hash_chain import HashChain
from sixtyforty.workspace import Workspace

Manipulation = Callable[[Workspace], None]
TRACK: Track = "live"
DATABASES = (".db", ".sqlite", ".sqlite-wal", ".sqlite-shm", ".db-wal", ".db-shm")


def _rewrite(ledger: HashChain[Any], rows: list[Any]) -> None:
    """Write a ledger and its head anew, with all hashes calculated again, and without anchors."""
    path = Path(str(ledger.path))
    path.unlink(missing_ok=True)
    path.with_suffix(".head").unlink(missing_ok=True)
    forged = type(ledger)(ledger.path, ledger.use_case)
    for row in rows:
        forged.append_row(row, lambda _: None)


def change_row(ws: Workspace) -> None:
    """Change the reason of the champion ledger's last row."""
    path = Path(str(ws.champion_ledger.path))
    lines = path.read_bytes().splitlines()
    lines[-1] = canonical_json(json.loads(lines[-1]) | {"reasons": ["another reason"]}).encode()
    write_atomic(path, b"\n".join(lines) + b"\n")


def cut_tail(ws: Workspace) -> None:
    """Remove the last row of the champion ledger, and write the head of the row before."""
    _rewrite(ws.champion_ledger, ws.champion_ledger.rows()[:-1])


def rewrite_chain(ws: Workspace) -> None:
    """Change the first row of the champion ledger, and calculate all later hashes again."""
    rows = ws.champion_ledger.rows()
    _rewrite(ws.champion_ledger, [rows[0].model_copy(update={"by": "somebody else"}), *rows[1:]])


def swap_ledgers(ws: Workspace) -> None:
    """Put the champion ledger of another use case in place of this one's."""
    ledger = ChampionLedger(ws.champion_ledger.path, "another_use_case")
    _rewrite(ledger, list(ws.champion_ledger.rows()))


def replay_backup(ws: Workspace) -> None:
    """Put back the champion ledger of an old back-up: its first row alone."""
    path = Path(str(ws.champion_ledger.path))
    first, head = ws.champion_ledger.rows()[0], path.with_suffix(".head")
    write_atomic(path, path.read_bytes().splitlines(keepends=True)[0])
    write_atomic(head, canonical_json({"rows": 1, "hash": first.hash}).encode())


def swap_model(ws: Workspace) -> None:
    """Exchange the champion's model file, and write its hash on the model card."""
    folder = Path(str(ws.models.folder(_champion(ws).version)))
    write_atomic(folder / "model.skops", (folder / "model.skops").read_bytes() + b"\0")
    _write_card(folder, "model.skops")


def empty_training_set(ws: Workspace) -> None:
    """Remove all rows of the champion's training set."""
    import pyarrow.parquet as pq

    path = Path(str(ws.models.folder(_champion(ws).version))) / "training_set.parquet"
    write_atomic(path, parquet_bytes(pq.read_table(path).slice(0, 0)))


def change_decision(ws: Workspace) -> None:
    """Exchange the action of a decision in its Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    partition = ws.lake.partitions(decisions_dataset(TRACK))[-1]
    entry = ws.lake.entries(decisions_dataset(TRACK), [partition])[partition]
    path = ws.lake.local_file(entry)
    table = pq.read_table(path)
    actions = table["action"].to_pylist()
    other = next(action for action in ws.use_case.kpi.actions if action != actions[0])
    changed = table.set_column(table.column_names.index("action"), "action", pa.array([other, *actions[1:]]))
    write_atomic(path, parquet_bytes(changed))


def change_delivered_row(ws: Workspace) -> None:
    """Exchange the action of a delivered row in the database."""
    engine, table = _open_delivery(ws)
    with engine.begin() as connection:
        row = connection.execute(table.select().limit(1)).mappings().one()
        other = next(action for action in ws.use_case.kpi.actions if action != row["action"])
        connection.execute(table.update().where(table.c.decision_id == row["decision_id"]).values(action=other))
    engine.dispose()


def forge_approval(ws: Workspace) -> None:
    """Append an approval to the champion ledger, with a valid chain and head."""
    rows = ws.champion_ledger.rows()
    approval = rows[-1].model_dump() | {"verdict": "APPROVE", "kind": "recipe", "by": "ada", "reasons": ["approved"]}
    forged = ChampionLedger(ws.champion_ledger.path, ws.champion_ledger.use_case)
    forged.append_row(ChampionRow(**approval), lambda _: None)


def forge_response(ws: Workspace) -> None:
    """Insert a person's answer into the database."""
    from datetime import UTC, datetime

    engine, responses = open_log(ws)
    delivery, table = _open_delivery(ws)
    with engine.begin() as connection:
        answered = set(connection.scalars(responses.select().with_only_columns(responses.c.decision_id)))
        decisions = connection.scalars(table.select().with_only_columns(table.c.decision_id)).all()
        connection.execute(
            responses.insert().values(
                response_id="forged",
                decision_id=next(decision for decision in decisions if decision not in answered),
                person="bo",
                role="decider",
                at=datetime.now(UTC).replace(tzinfo=None),
                event="rated",
                rating=5,
                simulated=False,
            )
        )
    delivery.dispose()


def truncate_history(ws: Workspace) -> None:
    """Delete the oldest partition of decisions, with its manifest."""
    dataset = decisions_dataset(TRACK)
    ws.lake.drop(dataset, ws.lake.partitions(dataset)[0])


MANIPULATIONS: Mapping[str, tuple[Manipulation, str]] = {  # by name: the function, and the words that name its trace
    "changed row": (change_row, "champion.jsonl, row"),
    "cut tail": (cut_tail, "of champion.jsonl is missing: the database holds its anchor"),
    "rewritten chain": (rewrite_chain, "row 1 of champion.jsonl differs from its anchor"),
    "swapped ledgers": (swap_ledgers, "the row belongs to the use case another_use_case"),
    "old back-up replayed": (replay_backup, "row 2 of champion.jsonl is missing"),
    "model swapped with its card": (swap_model, "model.skops isn't the one that the champion ledger recorded"),
    "emptied training set": (empty_training_set, "training_set.parquet differs from the hash on its model card"),
    "changed decision in Parquet": (change_decision, "differs from its manifest"),
    "changed delivered row": (change_delivered_row, "differs from the decision and its answers in action"),
    "forged approval": (forge_approval, "of champion.jsonl has no anchor: Sixtyforty didn't write it"),
    "forged response": (forge_response, "response forged to"),
    "truncated history": (truncate_history, "was delivered, but the lake has no decisions of"),
}


def check_manipulations(ws: Workspace, folder: Path) -> list[DrillResult]:
    """Plant each manipulation in a copy of a home, and check that a verification names it.

    ws: a workspace whose lake and SQLite database are in its home. folder: a new folder for the copies.
    """
    results = []
    for number, (name, (manipulate, trace)) in enumerate(MANIPULATIONS.items()):
        copy = copy_home(ws, folder / str(number))
        manipulate(copy)
        named = [difference for difference in verify_use_case(copy).differences if trace in difference]
        outcome = f"named: {named[0]}" if named else "not named by the verification"
        results.append(DrillResult(f"manipulation: {name}", outcome, ok=bool(named)))
        shutil.rmtree(copy.home)
    return results


def copy_home(ws: Workspace, home: Path) -> Workspace:
    """Copy a home, and return the workspace of the copy. Files are linked, except databases, which change in place."""

    def copy_file(source: str, target: str) -> None:
        if source.endswith(DATABASES):
            shutil.copy2(source, target)
        else:
            os.link(source, target)

    shutil.copytree(ws.home, home, symlinks=True, copy_function=copy_file, ignore=shutil.ignore_patterns("*.sock"))
    return replace(ws, home=home, database_url=ws.database_url.replace(str(ws.home), str(home)))


def _champion(ws: Workspace) -> ChampionRow:
    return ws.champion_ledger.promotions(TRACK)[-1]


def _write_card(folder: Path, name: str) -> None:
    card = json.loads((folder / "card.json").read_bytes())
    card["files"][name] = file_sha256(folder / name)
    write_atomic(folder / "card.json", canonical_json(card).encode())


def _open_delivery(ws: Workspace) -> tuple[Any, Any]:
    import sqlalchemy as sa

    return open_engine(ws.database_url), delivery_table(ws, TRACK, sa.MetaData())
