"""The gate before the model marks rows that would mislead it, with the reason; they stay."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from expectations import suites
from expectations.gx_runner import RuleError
from expectations.serving_gate import check_features
from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.workspace import Workspace
from tests import flights
from tests.flights import AFTER, BEFORE, DAY, DAYS, flight_delays

SUITE = suites.load_suite("flight_delays", "features")


@pytest.fixture(scope="module")
def built(with_days) -> dict[str, pa.Table]:
    ws: Workspace = flights.workspace(with_days)
    return FeatureWindow(ws.use_case, ws.lake, DAYS).build().tables


def replace_values(table: pa.Table, column: str, replacements: dict[int, Any]) -> pa.Table:
    """Return the table with some of a column\'s values replaced, by row."""
    values = table[column].to_pylist()
    for row, replacement in replacements.items():
        values[row] = replacement
    position = table.column_names.index(column)
    return table.set_column(position, table.schema.field(column), pa.array(values, table.schema.field(column).type))


def test_sound_rows_stay_as_they_are(built):
    for day, (table, verdict) in check_features(flight_delays(), SUITE, built).items():
        assert table.drop_columns(["suspect"]).equals(built[day])
        assert table["suspect"].null_count == table.num_rows == verdict.landed == verdict.accepted_rows
        assert verdict.accepted
        assert verdict.conserved
        assert verdict.quarantined == 0


def test_a_session_of_the_lake_gives_the_same_verdicts(built, with_days):
    ws = flights.workspace(with_days)
    session = ws.lake.open_session(ws.use_case.timezone)
    assert check_features(ws.use_case, SUITE, built, session) == check_features(ws.use_case, SUITE, built)


def test_suspect_rows_are_marked_with_the_reason_and_stay(built):
    bad = replace_values(replace_values(built[DAY], "o_so_far", {7: 900.0, 9: -90.0}), "r_carrier_hour", {9: 1.5})
    checked = check_features(flight_delays(), SUITE, built | {DAY: bad})
    table, verdict = checked[DAY]
    assert table.drop_columns(["suspect"]).equals(bad)
    marked = {n: why for n, why in enumerate(table["suspect"].to_pylist()) if why}
    assert marked == {
        7: "the airport's average delay in the last three hours is implausible; it may not be in minutes",
        9: "the airport's average delay in the last three hours is implausible; it may not be in minutes;"
        " the airline's rate of disrupted departures is not between 0 and 1",
    }
    assert (verdict.quarantined, verdict.accepted_rows) == (2, bad.num_rows - 2)
    assert verdict.accepted
    assert verdict.conserved
    (rule,) = [r for r in verdict.rules if r.column == "o_so_far"]
    assert (rule.failed, rule.sample_rows) == (2, [7, 9])
    clean = check_features(flight_delays(), SUITE, built)
    for day in (BEFORE, AFTER):
        assert checked[day][1].id == clean[day][1].id
        assert checked[day][0].equals(clean[day][0])


def test_a_repeated_departure_is_marked_both_times(built):
    twice = pa.concat_tables([built[DAY], built[DAY].slice(0, 1)])
    table, verdict = check_features(flight_delays(), SUITE, {DAY: twice})[DAY]
    assert [n for n, why in enumerate(table["suspect"].to_pylist()) if why] == [0, twice.num_rows - 1]
    assert verdict.quarantined == 2


def test_a_warning_marks_nothing(built):
    calm = replace_values(built[DAY], "temp", dict.fromkeys(range(built[DAY].num_rows)))
    table, verdict = check_features(flight_delays(), SUITE, {DAY: calm})[DAY]
    assert table["suspect"].null_count == calm.num_rows
    assert [(r.column, r.failed) for r in verdict.warnings if r.column == "temp"] == [("temp", calm.num_rows)]


def test_a_day_of_too_many_departures_is_rejected(built):
    crowd = pa.concat_tables([built[DAY], built[DAY]])
    verdict = check_features(flight_delays(), SUITE, {DAY: crowd})[DAY][1]
    assert not verdict.accepted
    assert "row count is " in verdict.reasons[0]


def test_row_numbers_count_within_their_day(built):
    bad = built | {AFTER: replace_values(built[AFTER], "o_late30", {0: 2.0})}
    checked = check_features(flight_delays(), SUITE, bad)
    assert [v.quarantined for _, v in checked.values()] == [0, 0, 1]
    (rule,) = [r for r in checked[AFTER][1].rules if r.column == "o_late30"]
    assert rule.sample_rows == [0]


def test_a_verdict_shows_no_value(built):
    bad = replace_values(built[DAY], "o_so_far", {3: 77_731.0})
    verdict = check_features(flight_delays(), SUITE, {DAY: bad})[DAY][1]
    assert verdict.quarantined == 1
    assert "77731" not in str(verdict.to_dict())


def test_a_missing_feature_is_an_error(built):
    with pytest.raises(RuleError, match="c_so_far"):
        check_features(flight_delays(), SUITE, {DAY: built[DAY].drop_columns(["c_so_far"])})


def test_without_units_there_is_no_verdict():
    assert check_features(flight_delays(), SUITE, {}) == {}
