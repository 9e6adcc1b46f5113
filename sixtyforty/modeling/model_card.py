"""Describe a model version on a model card: its recipe, its data, and the hashes of its files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sixtyforty.storage.files import canonical_json


@dataclass(frozen=True)
class ModelCard:
    """The description of a model version, stored as `card.json`.

    - `as_of`: the training day (local). The model knows only data from before the start of this day.
    - `rows`, `first`, `last`: number of rows, first and last partition of the training set.
    - `missing_days`: partitions of the training window without features or outcomes.
    - `recipe`, `recipe_version`: the declared model, and its hash.
    - `data`, `data_version`: the versions of features and outcomes by partition, and their hash.
    - `libraries`: library versions. `files`: SHA-256 by file name.
    - `levels`: the values of each categorical feature. It is empty until the model is fitted.
    - `treatment`, `actions`: for a past experiment, the column of the action received, and the possible actions.
    """

    version: str
    use_case: str
    as_of: date
    rows: int
    first: str
    last: str
    missing_days: list[str]
    features: list[str]
    recipe: dict[str, Any]
    recipe_version: str
    data: dict[str, dict[str, str]]
    data_version: str
    libraries: dict[str, str]
    files: dict[str, str]
    levels: dict[str, list[str]] = field(default_factory=dict)
    treatment: str | None = None
    actions: list[str] = field(default_factory=list)

    @property
    def missing_share(self) -> float:
        """Return the share of the training window's partitions that have no features or outcomes."""
        present, missing = len(self.data["features"]), len(self.missing_days)
        return missing / (present + missing)

    def to_json(self) -> bytes:
        """Return the card as JSON."""
        return canonical_json(vars(self)).encode()

    @classmethod
    def from_json(cls, content: bytes) -> ModelCard:
        """Read a card from JSON."""
        fields = json.loads(content)
        return cls(**fields | {"as_of": date.fromisoformat(fields["as_of"])})
