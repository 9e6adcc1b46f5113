"""A model can score rows that hold each feature that it learned from, of the same kind."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from sixtyforty.modeling.feature_fit import (
    SHOWN_FEATURES,
    feature_kinds,
    find_feature_problem,
    find_unusable_features,
    kind_of,
)
from sixtyforty.storage.partition_columns import columns_of
from tests.trained_models import make_card

KINDS = {"site": "text", "load": "number"}


def problem(card: dict[str, Any], payoffs: dict[str, str] | None = None, **columns: pa.DataType) -> str | None:
    schema = pa.schema(list(columns.items()))
    return find_feature_problem(make_card(**card), columns_of(schema), payoffs or {})


@pytest.mark.parametrize(
    ("arrow_type", "kind"),
    [
        (pa.int8(), "number"),
        (pa.uint64(), "number"),
        (pa.float32(), "number"),
        (pa.decimal128(12, 2), "number"),
        (pa.bool_(), "number"),
        (pa.string(), "text"),
        (pa.large_string(), "text"),
        (pa.date32(), "time"),
        (pa.timestamp("us"), "time"),
        (pa.binary(), "binary"),
    ],
)
def test_types_that_a_model_reads_alike_are_of_one_kind(arrow_type: pa.DataType, kind: str) -> None:
    assert kind_of(str(arrow_type)) == kind
    assert feature_kinds(pa.schema([("x", arrow_type)])) == {"x": kind}


def test_rows_with_the_same_features_and_more_can_be_scored() -> None:
    assert problem({"feature_kinds": KINDS}, load=pa.int32(), site=pa.string(), squared=pa.float64()) is None


def test_a_missing_feature_is_named() -> None:
    assert problem({}, load=pa.float64()) == "the model needs site, which features.sql doesn't return"
    many = {"features": [f"f{i}" for i in range(SHOWN_FEATURES + 2)], "feature_kinds": {}}
    assert (
        problem(many, load=pa.float64())
        == "the model needs f0, f1, f2, f3, f4 and 2 more, which features.sql doesn't return"
    )


def test_a_feature_of_another_kind_is_named_with_both() -> None:
    text = problem({"feature_kinds": KINDS}, load=pa.string(), site=pa.int32())
    assert text and "site is a number now and was a text, load is a text now and was a number" in text
    assert problem({}, load=pa.string(), site=pa.int32()) is None, "the card of an early version names no kinds"


def test_the_received_action_of_an_experiment_is_no_feature_of_the_rows() -> None:
    card = {"features": ["load", "got"], "feature_kinds": {"load": "number", "got": "text"}, "treatment": "got"}
    assert problem(card, load=pa.float64()) is None


def test_the_policy_needs_the_payoffs_that_are_declared_as_sql() -> None:
    columns = {"load": pa.float64(), "site": pa.string()}
    assert "build the features again" in str(problem({}, {"_gain act": "load * 2"}, **columns))
    assert problem({}, {"_gain act": "load * 2"}, **columns, **{"_gain act": pa.float64()}) is None


@pytest.mark.parametrize(
    ("arrow_type", "as_number", "as_category"),
    [
        (pa.int64(), None, None),
        (pa.bool_(), None, None),
        (pa.float64(), None, None),
        (pa.decimal128(12, 2), None, "cast it to varchar"),
        (pa.string(), "list it in model.categorical", None),
        (pa.date32(), "compute a number from it", "cast it to varchar"),
        (pa.timestamp("us"), "compute a number from it", "cast it to varchar"),
        (pa.list_(pa.int32()), "is of the type list", "cast it to varchar"),
        (pa.null(), "write null::double", "write null::varchar"),
    ],
)
def test_a_feature_from_which_no_model_can_learn_is_named_with_a_cure(
    arrow_type: pa.DataType, as_number: str | None, as_category: str | None
) -> None:
    columns = {"weather": str(arrow_type)}
    for categorical, cure in (([], as_number), (["weather"], as_category)):
        problems = find_unusable_features(columns, categorical)
        assert list(problems) == ([] if cure is None else ["weather"])
        assert cure is None or cure in problems["weather"]
