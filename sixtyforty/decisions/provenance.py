"""The thread from a delivered decision back to the bytes it came from."""

from __future__ import annotations

from typing import Any

from sixtyforty.decisions.decision_table import decisions_dataset, read_decisions
from sixtyforty.decisions.delivery import read_delivery
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.manifests import Entry
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.decision_ids import parse_decision_id
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.workspace import Workspace


class UnknownDecisionError(ValueError):
    """No such decision."""


def trace_decision(ws: Workspace, decision_id: str) -> dict[str, Any]:
    """Decision, features, verdicts, input files with hashes, champion and its data, delivery, outcome and value.

    Raises Unknown (or policy's ValueError for what isn't an id), saying how to find ids.
    """
    track, partition = parse_decision_id(decision_id)
    decision = next((d for d in read_decisions(ws, partition, track) if d["decision_id"] == decision_id), None)
    if decision is None:
        raise UnknownDecisionError(
            f"no decision {decision_id}; `sixtyforty decisions {ws.use_case.name} --date {partition}` lists them"
        )
    features = entry_at_version(ws, "features", partition, decision["data_version"])
    files, verdicts = _inputs(ws, features)
    return {
        "decision": decision,
        "features": _features(ws, features, decision),
        "verdicts": [_verdict(features), *verdicts],
        "inputs": files,
        "champion": _champion(ws, track, decision["champion_version"]),
        "policy": {
            "version": decision["policy"],
            "actions": {n: a.model_dump() for n, a in ws.use_case.kpi.actions.items()},
        },
        "code_version": decision["code_version"],
        "delivery": read_delivery(ws, track, decision_id),
        "outcome": _outcome(ws, partition, decision),
    }


def search_decisions(ws: Workspace, track: str, words: str, most: int = 50) -> list[dict[str, Any]]:
    """Decisions of a track of whose unit, day or id each word is the beginning of a part: the newest, at most so many.

    Columns: decision_id, partition, decided_at (UTC), action, decided_by, and the unit's key.
    """
    entries, wanted, key = ws.lake.entries(decisions_dataset(track)), words.casefold().split(), ws.use_case.decision.key
    if not entries or not wanted:
        return []
    parts = [f'"{c}"' for c in [*key, "decision_id", "_partition"]]
    each = " or ".join(f"starts_with(lower({part}::varchar), ?)" for part in parts)
    columns = ", ".join(["decision_id", "_partition as partition", "decided_at", "action", "decided_by", *parts[:-2]])
    where = " and ".join(f"({each})" for _ in wanted)
    with connect(ws.use_case.timezone) as db:
        found = db.sql(
            f"""select {columns} from {ws.lake.select_rows(entries.values())} where {where}
            order by decided_at desc, decision_id limit {most}""",
            params=[word for word in wanted for _ in parts],
        )
        return list(found.to_arrow_table().to_pylist())


def entry_at_version(ws: Workspace, name: str, partition: str, version: str) -> Entry | None:
    """A partition's manifest as it was in a version; None: that is gone."""
    now = ws.lake.entry(name, partition)
    return now if now is not None and now.version == version else ws.lake.replaced_entry(version)


def _verdict(entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        return {"dataset": "features", "accepted": None, "note": "the manifest of that version is gone"}
    verdict = entry.facts["verdict"]
    failed = [
        f"{r['severity']}: {r['expected']} on {r['column']} ({r['failed']} rows)"
        for r in verdict["rules"]
        if not r["passed"]
    ]
    return {
        "id": entry.facts["verdict_id"],
        "dataset": entry.dataset,
        "partition": entry.partition,
        "accepted": verdict["accepted"],
        "rows": verdict["accepted_rows"],
        "quarantined": verdict["quarantined"],
        "failed_rules": failed,
    }


def _inputs(ws: Workspace, features: Entry | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every extract behind a features partition, and the verdicts on the way."""
    files: dict[str, dict[str, Any]] = {}
    verdicts = []
    for name, parts in (features.inputs if features else {}).items():
        for partition, version in parts.items():
            validated = entry_at_version(ws, name, partition, version)
            if validated is None:
                files[version] = {"dataset": name, "partition": partition, "note": "the manifest is gone"}
                continue
            verdicts.append(_verdict(validated))
            for raw_name, raw_parts in validated.inputs.items():
                for raw_partition, raw_version in raw_parts.items():
                    raw = entry_at_version(ws, raw_name, raw_partition, raw_version)
                    for e in raw.facts["extracts"] if raw else []:
                        one = files.setdefault(
                            e["sha256"],
                            {
                                "file": e["name"],
                                "sha256": e["sha256"],
                                "source": raw_name.removeprefix("raw/"),
                                "partitions": [],
                                "refused": e["problem"],
                            },
                        )
                        one["partitions"].append(raw_partition)
    return sorted(files.values(), key=lambda f: (f.get("source", ""), f.get("file", ""))), verdicts


def _where(decision: dict[str, Any], key: list[str]) -> tuple[str, list[Any]]:
    return " and ".join(f'"{c}" = ?' for c in key), [decision[c] for c in key]


def _features(ws: Workspace, entry: Entry | None, decision: dict[str, Any]) -> dict[str, Any]:
    if entry is None or not ws.lake.local_file(entry).exists():
        return {"note": "restated since: the rows of that version were replaced"}
    where, values = _where(decision, ws.use_case.decision.key)
    with connect(ws.use_case.timezone) as db:
        row = db.execute(f"select * exclude _partition from {ws.lake.select_rows([entry])} where {where}", values)
        names = [d[0] for d in row.description or []]
        return dict(zip(names, row.fetchall()[0], strict=True))


def _champion(ws: Workspace, track: str, version: str | None) -> dict[str, Any] | None:
    if version is None:
        return None
    card = ws.models.card(version)
    row = next(r for r in ws.champion_ledger.promotions(track) if r.version == version)
    return {
        "version": version,
        "as_of": card["as_of"],
        "effective_from": row.effective_from,
        "why": row.reasons,
        "ledger_row": row.seq,
        "training_data_version": card["data_version"],
        "training_rows": card["rows"],
        "training_days": [card["first"], card["last"]],
        "files": card["files"],
    }


def _outcome(ws: Workspace, partition: str, decision: dict[str, Any]) -> dict[str, Any] | None:
    import numpy as np

    entry, kpi = ws.lake.entry("outcomes", partition), ws.use_case.kpi
    if entry is None:
        return None
    where, values = _where(decision, ws.use_case.decision.key)
    with connect(ws.use_case.timezone) as db:
        row = db.execute(f"select * exclude _partition from {ws.lake.select_rows([entry])} where {where}", values).df()
        features = ws.lake.entry("features", partition)
        if kpi.payoff_sql and features:
            priced = db.execute(f"select * from {ws.lake.select_rows([features])} where {where}", values).df()
            row = row.assign(**{c: priced[c] for c in kpi.payoff_sql})
    became = row[kpi.outcome].iloc[0]
    if became != became or became is None:
        return {kpi.outcome: None, "known_at": None}
    outcome, actions = np.array([float(became)]), (decision["action"], decision["current_action"])
    pays = build_payoffs(kpi, row)
    paid: list[float | None] = [None, None]  # of a treatment no unit stands for itself alone
    if ws.use_case.is_randomized(decision["track"]) and isinstance(pays, ChoicePayoffs):
        paid[0] = float(pays.unit_values(actions[:1], outcome)[0])  # what the other would have led to, nobody knows
    elif not kpi.treatment:
        paid = [float(pays.realized([a], outcome)[0]) for a in actions]
    return {
        kpi.outcome: became.item(),
        "known_at": row["known_at"].iloc[0].to_pydatetime(),
        "value": paid[0],
        "value_current_process": paid[1],
        "unit": kpi.currency,
    }
