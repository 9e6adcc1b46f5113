"""Find the features for which a changed features.sql returns other values than those that the model learned from.

A feature may keep its name and its type and mean something else. The model would still compute scores, but wrong ones.
So the values in its training set are compared with those that today's features.sql gives the same units.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sixtyforty.modeling.built_by import FACT, FEATURES_SQL, declared_parts
from sixtyforty.modeling.leakage import count_different
from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.modeling.model_store import TRAINING_SET, ModelStore
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.files import canonical_json, digest, write_atomic
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry, versions_by_partition

if TYPE_CHECKING:
    import pandas as pd

COMPARED_PARTITIONS = 3  # how many rebuilt partitions of the training set are compared, the newest first
RESTATED_SHARE = 0.1  # if more of a feature's values changed, the feature means something else; late rows change fewer


def find_redefined(use_case: DecisionChain, lake: Lake, store: ModelStore, card: ModelCard) -> str | None:
    """Return which features of a model have other values since features.sql changed, as a clause; None if none has.

    Also return None if no partition of the training set was built again with the changed features.sql.
    Raises ModelError if the training set can't be read.
    """
    current = declared_parts(use_case, "features")[FEATURES_SQL]
    if card.features_sql in ("", current):
        return None
    newest_first = lake.entries("features", sorted(card.data["features"], reverse=True)).values()
    again = [entry for entry in newest_first if entry.facts.get(FACT, {}).get(FEATURES_SQL) == current]
    entries = {entry.partition: entry for entry in again[:COMPARED_PARTITIONS]}
    if not entries:
        return None
    cached = lake.root / "backtest" / card.version / f"redefined_{digest(versions_by_partition(entries))}.json"
    try:
        shares = json.loads(cached.read_bytes())
    except FileNotFoundError:
        shares = _compare(use_case, lake, store, card, entries)
        write_atomic(cached, canonical_json(shares).encode())
    listed = ", ".join(f"{feature} ({share:.0%} of the units)" for feature, share in shares.items())
    return f"features have other values since features.sql changed: {listed}" if shares else None


def _compare(
    use_case: DecisionChain, lake: Lake, store: ModelStore, card: ModelCard, entries: dict[str, Entry]
) -> dict[str, float]:
    """Return the features that have other values now, as {feature: share of the units with another value}.

    The values in the training set are compared with those that were built again.
    """
    key = ["_partition", *use_case.decision.key]
    with lake.open_session(use_case.timezone) as db:
        # The training set is read through Arrow, so these rows are, too. DuckDB's own conversion to pandas would give
        # dates another type.
        rebuilt = db.sql(f"from {lake.select_rows(entries.values())}").to_arrow_table().to_pandas()
    both = _read_training_rows(store, card, list(entries)).merge(rebuilt, on=key, suffixes=("", " rebuilt"))
    shares = {}
    for feature in card.features:
        if f"{feature} rebuilt" in both and len(both):
            shares[feature] = count_different(both[feature], both[f"{feature} rebuilt"]) / len(both)
    return {feature: share for feature, share in shares.items() if share > RESTATED_SHARE}


def _read_training_rows(store: ModelStore, card: ModelCard, partitions: list[str]) -> pd.DataFrame:
    try:
        rows = store.training_frame(card.version)
    except OSError as error:
        raise ModelError(
            f"{card.version}: the model's training set can't be read ({type(error).__name__}). Restore the file"
            f" {store.folder(card.version) / TRAINING_SET} from a backup."
        ) from error
    return rows[rows["_partition"].isin(partitions)]
