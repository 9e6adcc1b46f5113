"""The version of the declaration that decisions are taken by, and whether a replay was taken by an earlier one.

A replay is a calculation: when the declaration changes, its decisions are outdated until they are made again. Live
decisions are history and are never outdated. The check reads the manifests' index, and no rows.

The version covers what decisions depend on: SQL, recipes, policy, gate, and the contract of the columns that SQL names.
A title, a new column that no SQL names, or a new release of sixtyforty changes nothing here: each decision names the
version of its code in `code_version`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.modeling.training_plan import declared_recipes
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.files import digest
from sixtyforty.storage.manifest_index import ManifestIndex
from sixtyforty.storage.manifests import Entry
from sixtyforty.value.policy import Policy

if TYPE_CHECKING:
    from sixtyforty.workspace import Workspace

REPLAY_DATASET = "decisions/replay"
UNKNOWN = "unknown"  # the version of decisions whose manifest names none
ALL_COLUMNS = re.compile(r"(\bselect|,|\.)\s*\*", re.IGNORECASE)


def declared_version(use_case: DecisionChain) -> str:
    """Return the version of the declaration as it is now: a digest of the parts that decisions depend on."""
    stages = ["features", "outcomes", "current_process", *([] if use_case.decision.unit_source else ["units"])]
    sql = {stage: use_case.sql(stage).strip() for stage in stages}
    return digest(
        {
            "decision": use_case.decision.model_dump(mode="json"),
            "timezone": use_case.timezone,
            "windows": [use_case.lookback_partitions, use_case.outcome_horizon_partitions],
            "sources": {name: _source_version(use_case, name, sql) for name in use_case.inputs},
            "sql": sql,
            "recipes": sorted(declared_recipes(use_case)),
            "policy": Policy.from_use_case(use_case).to_dict(),
            "gate": use_case.gate.model_dump(),
            "replay": use_case.replay.model_dump(mode="json", exclude={"first_day"}),
        }
    )


def _source_version(use_case: DecisionChain, name: str, sql: Mapping[str, str]) -> dict[str, Any]:
    """Return the parts of a source that decisions depend on; of the columns only those that SQL names."""
    source = use_case.inputs[name]
    texts = "\n".join([*sql.values(), use_case.decision.decided_at, source.partition or "", source.known_at or ""])
    takes_all = ALL_COLUMNS.search(texts) is not None
    columns = {
        column: kind
        for column, kind in source.columns.items()
        if takes_all or re.search(rf"\b{re.escape(column)}\b", texts, re.IGNORECASE)
    }
    return {
        "columns": columns,
        "key": source.key,
        "known_at": source.known_at,
        "partition": source.partition,
        "null_text": source.null_text,
    }


def version_facts(use_case: DecisionChain, before: Entry | None, champions: set[str]) -> dict[str, list[str]]:
    """Return the facts of a manifest of decisions: the declarations and the champions that took them.

    before: the manifest of the decisions that stay. champions: versions in the rows, those of `before` included.
    """
    versions = {declared_version(use_case)}
    if before is not None:
        versions |= set(before.facts.get("declared_versions", [UNKNOWN]))
    return {"declared_versions": sorted(versions), "champions": sorted(champions)}


@dataclass(frozen=True)
class OutdatedReplay:
    """The partitions of a replay that today's declaration, or a champion in force, would decide anew.

    `by_withdrawn`: how many of them a champion decided that was withdrawn since. `first` and `last` are local days.
    """

    use_case: str
    every: str
    partitions: int
    outdated: int
    by_withdrawn: int
    first: str
    last: str

    @property
    def text(self) -> str:
        """What is outdated and what to do, in two sentences for people."""
        causes = []
        if self.outdated > self.by_withdrawn:
            causes.append("an earlier declaration")
        if self.by_withdrawn:
            causes.append("a champion that was withdrawn")
        verb = "was" if self.outdated == 1 else "were"
        return (
            f"Outdated: {self.outdated:,} of {format_plural(self.partitions, self.every)} {verb} decided by"
            f" {' or by '.join(causes)}. Run `sixtyforty run {self.use_case} --from {self.first} --to {self.last}"
            " --rebuild-replay`."
        )


def find_outdated_replay(ws: Workspace, until: str | None = None) -> OutdatedReplay | None:
    """Return which partitions of the replay are outdated, up to a partition (`until`) or over all; None if none is."""
    rows = _replay_index(ws).table()
    current = declared_version(ws.use_case)
    withdrawn = {version for row in ws.champion_ledger.rows_of("replay") for version in row.withdrawn_versions}
    partitions, outdated, by_withdrawn = 0, list[str](), 0
    columns = [rows[name].to_pylist() for name in ("_partition", "declared_versions", "champions")]
    for partition, versions, champions in zip(*columns, strict=True):
        if until is None or partition <= until:
            partitions += 1
            has_withdrawn = not withdrawn.isdisjoint(champions)
            by_withdrawn += has_withdrawn
            if has_withdrawn or versions != [current]:
                outdated.append(partition)
    if not outdated:
        return None
    first, last = (ws.use_case.first_day(partition).isoformat() for partition in (outdated[0], outdated[-1]))
    return OutdatedReplay(
        ws.use_case.name, ws.use_case.partitions.every, partitions, len(outdated), by_withdrawn, first, last
    )


def describe_outdated(ws: Workspace, track: Track, until: str | None = None) -> str | None:
    """Return what is outdated in a track's figures, in words for people; None if nothing is. Live figures never are."""
    outdated = find_outdated_replay(ws, until) if track == "replay" else None
    return outdated.text if outdated else None


def _replay_index(ws: Workspace) -> ManifestIndex:
    import pyarrow as pa

    schema = pa.schema({"declared_versions": pa.list_(pa.string()), "champions": pa.list_(pa.string())})
    return ManifestIndex(ws.lake, REPLAY_DATASET, ws.cache, schema, _index_row)


def _index_row(entry: Entry) -> dict[str, list[str]]:
    return {
        "declared_versions": entry.facts.get("declared_versions", [UNKNOWN]),
        "champions": entry.facts.get("champions", []),
    }
