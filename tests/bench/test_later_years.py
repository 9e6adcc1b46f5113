"""Copies of extracts in later years."""

from pathlib import Path

from bench.later_years import add_later_years

HEADER = "origin,year,month,day,hour,time_hour"


def test_a_later_year_has_the_same_rows_364_days_later(tmp_path: Path) -> None:
    (tmp_path / "weather_2013-01-01_2013-01-02.csv").write_text(f"{HEADER}\nJFK,2013,1,1,NA,2013-01-01T10:00:00Z\n")
    (tmp_path / "planes.csv").write_text("tailnum\nN1\n")
    add_later_years(tmp_path, 3)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == [
        "planes.csv",
        "weather_2013-01-01_2013-01-02.csv",
        "weather_later1_20130101_20130102.csv",
        "weather_later2_20130101_20130102.csv",
    ]
    later = (tmp_path / "weather_later2_20130101_20130102.csv").read_text()
    assert later == f"{HEADER}\nJFK,2014,12,30,NA,2014-12-30T10:00:00Z\n"
