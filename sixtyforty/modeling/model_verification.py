"""Verify the files of model versions against their cards, and against the hashes in the champion ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sixtyforty.modeling.model_store import CARD, ModelStore, describe_exchanged
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.storage.lake_verification import storage_sha256


def newest_bounds(rows: Sequence[ChampionRow]) -> dict[str, Mapping[str, str]]:
    """Return, by version, the hashes to which the version's newest row of the champion ledger is bound."""
    return {row.version: row.bound for row in rows if row.bound}


def find_exchanged(store: ModelStore, bounds: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield "" for each sound version, and one sentence without full stop for each other card than the ledger's.

    Only the cards are read. bounds: see `newest_bounds`.
    """
    for version, bound in bounds.items():
        current = store.hash_version(version)
        missing = f"{version}: the model card, which the champion ledger recorded, is missing or can't be read"
        yield describe_exchanged(version, current, bound) if current else missing


def find_changed_files(store: ModelStore, version: str) -> Iterator[str]:
    """Yield one sentence, without full stop, for each file of a version that differs from the hash on its card."""
    try:
        card = store.card(version)
    except ModelError:
        yield f"{version}: {CARD} can't be read"
        return
    for name, sha256 in sorted(card.files.items()):
        try:
            if storage_sha256(store.folder(version) / name) != sha256:
                yield f"{version}: {name} differs from the hash on its model card"
        except FileNotFoundError:
            yield f"{version}: {name} is missing"
