"""Which parts of a declaration features and outcomes were built by, and which of them have changed since.

The manifest of a partition holds a hash of each part. When a part changes, the partition is built again from the
sources that are still there. Until then, no model learns from features of an earlier features.sql.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.files import digest
from sixtyforty.storage.manifests import Entry

FACT = "built_by"
FEATURES_SQL = "features.sql"

Dataset = Literal["features", "outcomes"]
Parts = Mapping[str, str]  # a hash by the name of a part


def declared_parts(use_case: DecisionChain, dataset: Dataset) -> dict[str, str]:
    """Return the hash of each part of the declaration that a dataset is built by, by the part's name for people."""
    units = [] if use_case.decision.unit_source else ["units"]
    stages = {"features": ["features", "current_process"], "outcomes": ["outcomes"]}[dataset]
    parts: dict[str, object] = {f"{stage}.sql": use_case.sql(stage) for stage in [*stages, *units]}
    parts["decision.decided_at"] = use_case.decision.decided_at
    if dataset == "features":
        parts["kpi.actions"] = use_case.kpi.payoff_sql
        parts["lookback_partitions"] = use_case.lookback_partitions
    else:
        parts["kpi.outcome"] = use_case.kpi.outcome_columns
        parts["outcome_horizon_partitions"] = use_case.outcome_window
    parts |= {f"sources.{name}.known_at": source.known_at for name, source in use_case.partitioned.items()}
    return {name: digest(part) for name, part in parts.items()}


def changed_parts(entry: Entry | None, declared: Parts) -> list[str]:
    """Return the parts that differ from those that a partition was built by, sorted.

    A part that the manifest doesn't name, such as that of a new source, has not changed. declared: see
    `declared_parts`.
    """
    built_by = entry.facts.get(FACT, {}) if entry else {}
    return sorted(name for name, part in declared.items() if built_by.get(name, part) != part)


def select_outdated(use_case: DecisionChain, entries: Mapping[str, Entry]) -> list[str]:
    """Return the partitions, of some partitions of features, that an earlier features.sql built."""
    declared = {FEATURES_SQL: declared_parts(use_case, "features")[FEATURES_SQL]}
    return [partition for partition, entry in entries.items() if changed_parts(entry, declared)]
