"""Find the partitions of features and outcomes that were built from parts of a declaration that have changed since.

The manifest of a partition holds a hash of each part, such as features.sql. If a part changes, the partition is built
again from the sources that are still stored. Until then, no model learns from features of an earlier features.sql.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.files import digest
from sixtyforty.storage.manifests import Entry

FACT = "built_by"
FEATURES_SQL = "features.sql"
NOTHING = ""  # stands for the hash of features.sql if it couldn't run, so that the partition is always outdated

Dataset = Literal["features", "outcomes"]
Parts = Mapping[str, str]  # the hash of each part of a declaration, by the name of the part


def declared_parts(use_case: DecisionChain, dataset: Dataset) -> dict[str, str]:
    """Return the hash of each part of the declaration on which a dataset depends, by name, such as `kpi.actions`."""
    units = [] if use_case.decision.unit_source else ["units"]
    stages = {"features": ["features", "current_process"], "outcomes": ["outcomes"]}[dataset]
    parts: dict[str, object] = {f"{stage}.sql": use_case.sql(stage) for stage in [*stages, *units]}
    parts["decision.decided_at"] = use_case.decision.decided_at
    if dataset == "features":
        parts["kpi.actions"] = use_case.kpi.payoff_sql
        parts["constants"] = [constant.model_dump(mode="json", exclude={"why"}) for constant in use_case.constants]
        parts["lookback_partitions"] = use_case.lookback_partitions
    else:
        parts["kpi.outcome"] = use_case.kpi.outcome_columns
        parts["outcome_horizon_partitions"] = use_case.outcome_window
    parts |= {f"sources.{name}.known_at": source.known_at for name, source in use_case.partitioned.items()}
    return {name: digest(part) for name, part in parts.items()}


def hash_tested_parts(use_case: DecisionChain) -> str:
    """Return the hash of the parts of the declaration that a holdout tests: the outcome and the actions."""
    return digest([sorted(use_case.kpi.actions), declared_parts(use_case, "outcomes")])


def changed_parts(entry: Entry | None, declared: Parts) -> list[str]:
    """Return the sorted names of the parts of the declaration that have changed since a partition was built.

    A part that the manifest doesn't name, such as `known_at` of a new source, counts as unchanged. declared: see
    `declared_parts`.
    """
    built_by = entry.facts.get(FACT, {}) if entry else {}
    return sorted(name for name, part in declared.items() if built_by.get(name, part) != part)


def is_unbuilt(entry: Entry) -> bool:
    """Return whether features.sql couldn't run for a partition, so that all its features are null."""
    return entry.facts.get(FACT, {}).get(FEATURES_SQL) == NOTHING


def select_outdated(use_case: DecisionChain, entries: Mapping[str, Entry]) -> list[str]:
    """Return the partitions whose features were built by an earlier features.sql. entries: manifests of features."""
    declared = {FEATURES_SQL: declared_parts(use_case, "features")[FEATURES_SQL]}
    return [partition for partition, entry in entries.items() if changed_parts(entry, declared)]
