"""A file name promises the partitions of the dates and hours in it."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.file_names import partitions_in_name
from sixtyforty.spec.partitions import PartitionedModel, Partitions

MODEL = PartitionedModel(timezone="America/New_York", partitions=Partitions(start=date(2009, 6, 1)))


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("parcels_2013-03.csv", "2013-03-01", "2013-03-31"),
        ("parcels_2012-02.csv", "2012-02-01", "2012-02-29"),
        ("parcels_2013-03-10.csv", "2013-03-10", "2013-03-10"),
        ("parcels_2013-03-10_2013-03-12.csv", "2013-03-10", "2013-03-12"),
        ("parcels_2013-02_2013-03.csv", "2013-02-01", "2013-03-31"),
        ("parcels_2013-12-31_to_2014-01-01.csv", "2013-12-31", "2014-01-01"),
        ("parcels_2013-03-10T04Z.csv", "2013-03-09", "2013-03-09"),  # hours are in UTC
        ("parcels_2013-03-10T05Z.csv", "2013-03-10", "2013-03-10"),
        ("parcels_2013-03-10T05Z_2013-03-11T05Z.csv", "2013-03-10", "2013-03-11"),
        ("parcels2013-03-10a.csv", "2013-03-10", "2013-03-10"),
        ("parcels_2013-03-10-4711.csv", "2013-03-10", "2013-03-10"),
        ("parcels-2013-02-2013-03.csv", "2013-02-01", "2013-03-31"),
        ("4711-13_parcels_2013-03-10.csv", "2013-03-10", "2013-03-10"),  # 4711-13 is no month
    ],
)
def test_a_name_promises_the_partitions_of_its_dates(name: str, first: str, last: str) -> None:
    partitions = partitions_in_name(name, MODEL)
    assert (partitions[0], partitions[-1]) == (first, last)
    assert len(partitions) == (date.fromisoformat(last) - date.fromisoformat(first)).days + 1


@pytest.mark.parametrize(
    "name",
    [
        "",
        "parcels.csv",
        "parcels_march.csv",
        "parcels_2013.csv",
        "parcels_2013-13.csv",
        "parcels_2013-02-30.csv",
        "parcels_0000-01.csv",
        "parcels_2013-03-10T25Z.csv",
        "parcels_2013-03-12_2013-03-10.csv",
        "parcels_550e8400-e29b-2013-0312-446655440000.csv",
        "parcels_12345678-2013-03ab-8d1f-00c04fd430c8.csv",
        "parcels_92013-03.csv",
        "parcels_92013-03-10.csv",
        "parcels_2013-03-105.csv",
        "parcels_2013-031.csv",
        "parcels_2013-03x.csv",
    ],
)
def test_a_name_without_a_valid_date_promises_nothing(name: str) -> None:
    assert partitions_in_name(name, MODEL) == []


@given(st.uuids())
def test_a_uuid_promises_nothing(number: UUID) -> None:
    assert partitions_in_name(f"parcels_{number}.csv", MODEL) == []


@given(st.text(max_size=30) | st.from_regex(r"\d{4}-\d\d(-\d\d)?(T\d\dZ)?", fullmatch=True))
def test_any_name_gives_ordered_partitions(name: str) -> None:
    assert partitions_in_name(name, MODEL) == sorted(set(partitions_in_name(name, MODEL)))
