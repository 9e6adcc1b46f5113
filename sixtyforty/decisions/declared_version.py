"""Compute the version of a declaration, and detect replayed decisions taken under an earlier version.

A replay is a calculation: when the declaration changes, replayed decisions are outdated until the replay is made again.
Live decisions are history and are never outdated. The check reads the index of manifests, and no decision rows.

The version covers what decisions depend on: SQL, recipes, policy, gate, and the contract of the columns that SQL names.
A changed title, a column that no SQL names, or a new release of sixtyforty doesn't change the version. So a field that
a release adds is left out while it has its default. Each decision names the version of the code in `code_version`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.decision_facts import DecisionFacts
from sixtyforty.decisions.decisions_index import decisions_index
from sixtyforty.modeling import built_by
from sixtyforty.modeling.training_plan import declared_recipes
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Gate
from sixtyforty.spec.sources import Source
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.files import digest
from sixtyforty.storage.manifests import Entry
from sixtyforty.value.policy import Policy

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from sixtyforty.workspace import Workspace

REPLAY_DATASET = "decisions/replay"
ALL_COLUMNS = re.compile(r"(\bselect|,|\.)\s*\*", re.IGNORECASE)


@dataclass(frozen=True)
class SourceVersion:
    """The parts of a source on which decisions depend.

    `columns` contains only the columns that SQL names. `forms` is how numbers and dates are written; None if they are
    written as by default.
    """

    columns: Mapping[str, str]
    key: Sequence[str]
    known_at: str | None
    partition: str | None
    null_text: str
    forms: Sequence[str | None] | None

    def to_dict(self) -> dict[str, Any]:
        """Return the parts of the source as JSON values by name. `forms` is left out if it is None (the default)."""
        return {name: part for name, part in vars(self).items() if name != "forms" or part is not None}


def declared_version(use_case: DecisionChain) -> str:
    """Return the version of the current declaration: a hash of the parts on which decisions depend."""
    return digest(declared_parts(use_case))


def declared_parts(use_case: DecisionChain) -> dict[str, Any]:
    """Return the parts of the current declaration on which decisions depend, as JSON values by name."""
    stages = ["features", "outcomes", "current_process", *([] if use_case.decision.unit_source else ["units"])]
    sql = {stage: use_case.sql(stage).strip() for stage in stages}
    constants = [constant.model_dump(mode="json", exclude={"why"}) for constant in use_case.constants]
    return ({"constants": constants} if constants else {}) | {
        "decision": use_case.decision.model_dump(mode="json"),
        "timezone": use_case.timezone,
        "windows": [use_case.lookback_partitions, use_case.outcome_horizon_partitions],
        "sources": {name: _source_version(use_case, name, sql).to_dict() for name in use_case.inputs},
        "sql": sql,
        "recipes": sorted(declared_recipes(use_case)),
        "policy": Policy.from_use_case(use_case).to_dict(),
        "gate": _gate_parts(use_case.gate) | _block_days(use_case.kpi),
        "replay": use_case.replay.model_dump(mode="json", exclude={"first_day"}),
    }


def _gate_parts(gate: Gate) -> dict[str, Any]:
    added_later = {"min_training_rows", "min_blocks", "min_units"}
    return gate.model_dump(exclude=added_later) | gate.model_dump(include=added_later, exclude_defaults=True)


def _block_days(kpi: Kpi) -> dict[str, int]:
    return kpi.model_dump(include={"block_days"}, exclude_defaults=True)


def _source_version(use_case: DecisionChain, name: str, sql: Mapping[str, str]) -> SourceVersion:
    source = use_case.inputs[name]
    texts = "\n".join([*sql.values(), use_case.decision.decided_at, source.partition or "", source.known_at or ""])
    takes_all = ALL_COLUMNS.search(texts) is not None
    columns = {
        column: kind
        for column, kind in source.columns.items()
        if takes_all or re.search(rf"\b{re.escape(column)}\b", texts, re.IGNORECASE)
    }
    forms = [source.decimal, source.thousands, source.date_format]
    forms_by_default = [Source.model_fields[field].default for field in ("decimal", "thousands", "date_format")]
    return SourceVersion(
        columns,
        source.key,
        source.known_at,
        source.partition,
        source.null_text,
        None if forms == forms_by_default else forms,
    )


def declared_versions(current: str, before: Entry | None) -> list[str]:
    """Return the current version of the declaration and those under which a partition's earlier decisions were taken.

    current: `declared_version` of the use case. before: the manifest of the earlier decisions, or None. The versions
    are sorted.
    """
    earlier = DecisionFacts.from_entry(before).declared_versions if before else ()
    return sorted({current, *earlier})


@dataclass(frozen=True)
class OutdatedReplay:
    """The replayed partitions that are outdated, because an earlier declaration or a withdrawn champion decided them.

    `every`: the length of a partition, such as day. `partitions`: the number of the replay's partitions. `outdated`:
    the number of outdated partitions. `by_withdrawn`: the number of outdated partitions that a withdrawn champion
    decided. `first` and `last`: the local days from which and to which a run makes the replay current. `first` may be
    before the first outdated partition, if earlier partitions have features that an earlier features.sql built. Such
    features must be built again, or no model learns from them.
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
        """Two sentences for people: how many partitions are outdated, why, and the command that renews the replay."""
        causes = []
        if self.outdated > self.by_withdrawn:
            causes.append("an earlier declaration")
        if self.by_withdrawn:
            causes.append("a champion that was withdrawn")
        verb = "was" if self.outdated == 1 else "were"
        return (
            f"The replay is outdated: {self.outdated:,} of {format_plural(self.partitions, self.every)} {verb} decided"
            f" by {' or by '.join(causes)}. Run `sixtyforty run {self.use_case} --from {self.first} --to {self.last}"
            " --rebuild-replay`."
        )


def find_outdated_replay(ws: Workspace, until: str | None = None) -> OutdatedReplay | None:
    """Return a summary of the replay's outdated partitions, or None if no partition is outdated.

    until: the last partition to check; None checks all.
    """
    import numpy as np
    import pyarrow.compute as pc

    rows = decisions_index(ws, REPLAY_DATASET).table()
    current = declared_version(ws.use_case)
    withdrawn = {version for row in ws.champion_ledger.rows_of("replay") for version in row.withdrawn_versions}
    partitions = rows["_partition"].to_numpy()
    is_checked = np.ones(len(rows), bool) if until is None else partitions <= until
    versions, champions = (rows[name].combine_chunks() for name in ("declared_versions", "champions"))
    is_current = (_count_listed(versions, [current]) == 1) & (pc.list_value_length(versions).to_numpy() == 1)
    has_withdrawn = (_count_listed(champions, withdrawn) > 0) & is_checked
    outdated = partitions[is_checked & (has_withdrawn | ~is_current)].tolist()
    if not outdated:
        return None
    earliest = min([outdated[0], *_list_rebuilt(ws)])
    first, last = (ws.use_case.first_day(partition).isoformat() for partition in (earliest, outdated[-1]))
    return OutdatedReplay(
        ws.use_case.name,
        ws.use_case.partitions.every,
        int(is_checked.sum()),
        len(outdated),
        int(has_withdrawn.sum()),
        first,
        last,
    )


def _count_listed(lists: pa.ListArray, texts: Collection[str]) -> NDArray[np.int64]:
    """Return for each list how many of its elements are among some texts, shape (lists,)."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    is_listed = pc.is_in(lists.flatten(), pa.array(texts, pa.string())).to_numpy(zero_copy_only=False)
    return np.bincount(pc.list_parent_indices(lists).to_numpy()[is_listed], minlength=len(lists))


def _list_rebuilt(ws: Workspace) -> list[str]:
    """Return the partitions whose features were built from parts of the declaration that have changed since.

    Training and gate read these partitions, too: the gate compares a challenger with the current process's actions in
    them.
    """
    declared = built_by.declared_parts(ws.use_case, "features")
    return [p for p, entry in ws.lake.entries("features").items() if built_by.changed_parts(entry, declared)]


def list_replayed_versions(ws: Workspace) -> list[str]:
    """Return the sorted versions of all declarations under which decisions of the replay were taken."""
    by_partition = decisions_index(ws, REPLAY_DATASET).table()["declared_versions"].to_pylist()
    return sorted({version for versions in by_partition for version in versions})


def describe_outdated(ws: Workspace, track: Track, until: str | None = None) -> str | None:
    """Return a text that says how much of a track is outdated, or None if no decision is outdated.

    Live decisions are never outdated. until: the last partition to check; None checks all.
    """
    outdated = find_outdated_replay(ws, until) if track == "replay" else None
    return outdated.text if outdated else None
