"""A model card is read as it was written, and knows which share of its window is missing."""

from __future__ import annotations

import json
from datetime import date

import pytest

from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.modeling.skops_files import ModelError
from tests.trained_models import make_card


def test_a_card_is_read_as_it_was_written() -> None:
    card = make_card(levels={"site": ["north"]}, treatment="received", actions=["none", "mail"])
    assert ModelCard.from_json(card.to_json()) == card
    assert ModelCard.from_json(card.to_json()).as_of == date(2013, 3, 7)


def test_the_missing_share_counts_the_partitions_of_the_window() -> None:
    versions = dict.fromkeys("abc", "v")
    card = make_card(missing_days=["2013-03-02"], data={"features": versions, "outcomes": versions})
    assert card.missing_share == 0.25


def test_a_partition_with_features_alone_counts_once_in_the_missing_share() -> None:
    data = {"features": dict.fromkeys("abcd", "v"), "outcomes": dict.fromkeys("ab", "v")}
    assert make_card(missing_days=["c", "d"], data=data).missing_share == 0.5


def test_a_card_without_a_valid_recipe_is_refused_in_one_line() -> None:
    fields = json.loads(make_card().to_json())
    broken = json.dumps(fields | {"recipe": fields["recipe"] | {"training_days": 0}}).encode()
    with pytest.raises(ModelError, match=r"can't be read: recipe\.training_days: .* greater than 0\.$"):
        ModelCard.from_json(broken)
