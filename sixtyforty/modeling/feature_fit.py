"""Check whether a model can learn from features, and whether rows have the features that a model learned from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from sixtyforty.storage.partition_columns import Columns, columns_of

if TYPE_CHECKING:
    import pyarrow as pa

    from sixtyforty.modeling.model_card import ModelCard

NUMBERS = ("int", "uint", "float", "double", "halffloat", "decimal", "bool")
TIMES = ("date", "time", "timestamp", "duration")
SHOWN_FEATURES = 5


def feature_kinds(schema: pa.Schema) -> dict[str, str]:
    """Return the kind of each column: `number`, `text`, `time`, or the name of another Arrow type."""
    return {name: kind_of(arrow_type) for name, arrow_type in columns_of(schema).items()}


def kind_of(arrow_type: str) -> str:
    """Return the kind of an Arrow type. To a model, types of one kind are the same, such as INTEGER and DOUBLE."""
    if arrow_type.startswith(TIMES):
        return "time"
    if arrow_type.startswith(NUMBERS):
        return "number"
    return "text" if arrow_type in ("string", "large_string") else arrow_type


def find_unusable_features(columns: Columns, categorical: Collection[str]) -> dict[str, str]:
    """Return the features from which no model can learn, each with the cause and the cure as a clause.

    columns: the Arrow type of each feature. categorical: the features that are declared as categories. Categories must
    be texts, booleans or numbers, but no DECIMAL. Other features must be numbers or booleans.
    """
    problems = {}
    for feature, arrow_type in columns.items():
        kind = kind_of(arrow_type)
        if arrow_type == "null":
            sql = "null::varchar" if feature in categorical else "null::double"
            problems[feature] = f"has no values and no type; write {sql} in features.sql"
        elif feature in categorical:
            if kind not in ("number", "text") or arrow_type.startswith("decimal"):
                problems[feature] = f"is a category of the type {arrow_type}; cast it to varchar in features.sql"
        elif kind == "text":
            problems[feature] = "is text; list it in model.categorical, or compute a number from it in features.sql"
        elif kind == "time":
            problems[feature] = "is a date or time; compute a number from it in features.sql, such as the hours since"
        elif kind != "number":
            problems[feature] = f"is of the type {arrow_type}; compute a number from it in features.sql"
    return problems


def find_feature_problem(card: ModelCard, columns: Columns, payoffs: Mapping[str, str]) -> str | None:
    """Return why a model can't decide on rows with these columns, as a clause of a sentence; None if it can.

    The columns must contain the model's features, with values of the same kind as in the training set.

    payoffs: the gains and costs that are declared as SQL, as {column: SQL}. The features must have these columns.
    """
    missing = [feature for feature in card.features if feature not in columns and feature != card.treatment]
    if missing:
        return f"the model needs {_list(missing)}, which features.sql doesn't return"
    retyped = [
        f"{feature} is a {kind_of(columns[feature])} now and was a {kind}"
        for feature, kind in card.feature_kinds.items()
        if feature in columns and kind_of(columns[feature]) != kind
    ]
    if retyped:
        return f"features have changed their type since the model's training: {_list(retyped)}"
    if not payoffs.keys() <= columns.keys():
        return "the features lack columns that kpi.actions uses; build the features again"
    return None


def _list(texts: list[str]) -> str:
    more = f" and {len(texts) - SHOWN_FEATURES} more" if len(texts) > SHOWN_FEATURES else ""
    return f"{', '.join(texts[:SHOWN_FEATURES])}{more}"
