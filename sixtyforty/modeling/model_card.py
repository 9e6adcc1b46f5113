"""Describe a model version on a model card: its recipe, its data, and the hashes of its files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pydantic import ValidationError

from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.recipe import Model
from sixtyforty.storage.files import canonical_json


@dataclass(frozen=True)
class ModelCard:
    """The description of a model version, stored as `card.json`.

    `as_of`: the local day at whose start the model was trained. `rows`, `first`, `last`: number of rows, and first and
    last partition, of the training set. `missing_days`: partitions of the training window without features or outcomes,
    except for those of closed days. `features`: the names of the features. `recipe`: the declared model, without
    reasons and alternatives, with the hash `recipe_version`. `data`: the versions of features and outcomes by
    partition, with their hash `data_version`. `libraries`: version by library. `files`: SHA-256 by file name. `levels`:
    the values of each categorical feature, empty until a model is fitted. `treatment`: the column with the received
    action of a past experiment, whose actions are in `actions`. `sample_scores`: the fitted model's scores of the first
    rows of the training set, in the shape of `FittedModel.predict`. `feature_kinds`: the kind of each feature's values,
    see `feature_fit.kind_of`; empty on the card of an early release. `features_sql`: the hash of features.sql; empty on
    the card of an early release. `ignored_features`: the features without any value in the training set, which the
    model ignores.
    """

    version: str
    use_case: str
    as_of: date
    rows: int
    first: str
    last: str
    missing_days: list[str]
    features: list[str]
    recipe: Model
    recipe_version: str
    data: dict[str, dict[str, str]]
    data_version: str
    libraries: dict[str, str]
    files: dict[str, str]
    levels: dict[str, list[str]] = field(default_factory=dict)
    treatment: str | None = None
    actions: list[str] = field(default_factory=list)
    sample_scores: list[Any] = field(default_factory=list)
    feature_kinds: dict[str, str] = field(default_factory=dict)
    features_sql: str = ""
    ignored_features: list[str] = field(default_factory=list)

    @property
    def missing_share(self) -> float:
        """Return the share of the training window's partitions that have no features or outcomes.

        Partitions of closed days count only if they have both.
        """
        complete, missing = len(self.data["features"].keys() & self.data["outcomes"].keys()), len(self.missing_days)
        return missing / (complete + missing)

    def to_json(self) -> bytes:
        """Return the model card as JSON."""
        return canonical_json(vars(self) | {"recipe": self.recipe.to_recipe()}).encode()

    @classmethod
    def from_json(cls, content: bytes) -> ModelCard:
        """Read a model card from JSON. Raises ModelError if the content isn't a model card."""
        try:
            fields = json.loads(content)
            parsed = {"as_of": date.fromisoformat(fields["as_of"]), "recipe": Model(**fields["recipe"])}
            return cls(**fields | parsed)
        except ValidationError as error:
            problems = "; ".join(f"recipe.{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
            raise ModelError(f"The model card can't be read: {problems}.") from error
        except json.JSONDecodeError as error:
            raise ModelError("The model card can't be read: it is damaged.") from error
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(f"The model card can't be read: {error}.") from error
