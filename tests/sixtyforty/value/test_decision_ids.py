"""Decision ids never change, never collide, and name their track and partition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.track import Track
from sixtyforty.value.decision_ids import DecisionIdError, join_escaped, make_decision_ids, parse_decision_id

TRACKS: list[Track] = ["live", "replay"]


def test_a_decision_keeps_its_id() -> None:
    # Delivered decisions carry these ids, so a change would orphan them.
    assert make_decision_ids("calls_in_time", "live", "2013-03-10", [(93700,), (93701,)]) == [
        "live-2013-03-10-c8bd5733e357",
        "live-2013-03-10-91ac6bd79428",
    ]
    assert make_decision_ids("flights", "replay", "2013-12-20", [(2013, 12, 20, "UA", 1, "EWR")]) == [
        "replay-2013-12-20-0aec3f35a28e",
    ]


PARTS = st.text("a|\\", max_size=3) | st.text(max_size=3)
KEYS = st.lists(st.tuples(PARTS, PARTS), unique=True, max_size=20)


@given(KEYS)
def test_different_units_have_different_ids(keys: list[tuple[str, str]]) -> None:
    assert len(set(make_decision_ids("u", "live", "2013-03-10", keys))) == len(keys)


@given(KEYS)
def test_different_keys_are_joined_to_different_texts(keys: list[tuple[str, str]]) -> None:
    assert len({join_escaped(key) for key in keys}) == len(keys)


def test_a_separator_inside_a_key_causes_no_collision() -> None:
    keys = [("a|b", "c"), ("a", "b|c"), ("a", "b\\|c"), ("a\\|b", "c"), ("a|b|c", ""), ("a\\", "b|c"), ("a\\\\|b", "c")]
    assert len(set(make_decision_ids("u", "live", "2013-03-10", keys))) == len(keys)


def test_ids_differ_by_use_case_track_and_partition() -> None:
    ids = {
        make_decision_ids(use_case, track, partition, [(1,)])[0]
        for use_case in ("a", "b")
        for track in TRACKS
        for partition in ("2013-03-10", "2013-03-11")
    }
    assert len(ids) == 8


@given(st.sampled_from(TRACKS), st.dates().map(str), st.tuples(st.integers(), st.text(max_size=5)))
def test_an_id_names_its_track_and_partition(track: Track, partition: str, key: tuple[int, str]) -> None:
    assert parse_decision_id(make_decision_ids("u", track, partition, [key])[0]) == (track, partition)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "live",
        "live-2013-03-10",
        "2013-03-10-1a2b3c4d5e6f",
        "live-2013-03-10-1a2b3c",
        "-2013-03-10-1a2b3c4d5e6f",
        "dry-2013-03-10-1a2b3c4d5e6f",
        "live-../../x-1a2b3c4d5e6f",
        "live-2013-03-10-1a2b3c4d5e6g",
    ],
)
def test_any_other_text_is_rejected_with_an_example(text: str) -> None:
    with pytest.raises(DecisionIdError, match=r"is not a decision id\. An id looks like this: replay-2013-12-20-"):
        parse_decision_id(text)
