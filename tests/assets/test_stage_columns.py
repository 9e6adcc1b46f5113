"""What Dagster's pages say about the columns of each stage's rows."""

from __future__ import annotations

import dagster as dg

from assets.stage import StageTarget
from assets.stage_columns import USAGE_MEANINGS, calculated_columns, describe_columns, raw_columns, validated_columns
from assets.value import USAGE_LABELS
from pipelines.authoring import catalog
from sixtyforty.accounting import usage

FLIGHTS = StageTarget(catalog.load_use_case("flight_delays"), "weather")


def test_a_validated_column_names_its_rules_and_its_raw_column() -> None:
    temperature = validated_columns(FLIGHTS)["temp"]
    assert (temperature.type, temperature.origins) == ("DOUBLE", [("raw/weather", "temp")])
    assert temperature.meaning == "-30 to 125: the temperature, in degrees Fahrenheit, is implausible."
    assert raw_columns(FLIGHTS)["temp"].meaning == "text, as it landed"


def test_a_feature_leads_back_to_the_columns_of_the_sources() -> None:
    columns = calculated_columns(FLIGHTS, "features", {"temp": "double", "origin": "string", "suspect": "string"})
    assert columns["temp"].origins == [("validated/weather", "temp")]
    assert "calculated from weather.temp" in columns["temp"].meaning, "Dagster's free pages don't show the lineage"
    assert columns["origin"].meaning.startswith("identifies the unit")
    assert columns["suspect"].origins == []
    metadata = describe_columns("flight_delays", columns)
    lineage = metadata["dagster/column_lineage"].column_lineage  # type: ignore[union-attr]
    weather = dg.AssetKey(["flight_delays", "validated", "weather"])
    assert lineage.deps_by_column["temp"] == [dg.TableColumnDep(weather, "temp")]


def test_every_count_of_usage_has_words() -> None:
    assert set(USAGE_MEANINGS) == set(USAGE_LABELS) == set(usage.COUNTS)
