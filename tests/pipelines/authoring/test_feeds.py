"""Extracts of one feed are recognised by their names, and draft the declaration of a source."""

from __future__ import annotations

import gzip
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from pipelines.authoring.feeds import find_feeds
from sixtyforty.ingest.formats.base import UnreadableExtractError


def write(folder: Path, *names: str) -> None:
    """Write CSV extracts with one daily row for 30 days."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        rows = "".join(f"2020-01-{day:02},{day}\n" for day in range(1, 31))
        (folder / name).write_text("day,load\n" + rows)


def test_files_that_differ_in_dates_are_one_feed(tmp_path: Path) -> None:
    write(tmp_path, "orders_2020-01-01.csv", "orders_2020-01-02.csv", "Weather data.csv", "notes.md")
    feeds = {feed.name: feed.files for feed in find_feeds(str(tmp_path))}
    assert feeds == {"orders": "orders*.csv", "weather_data": "Weather data.csv"}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        *(("select.csv", "select_rows"), ("1st.csv", "from_1st"), ("Shop-orders.csv", "shop_orders")),
        *(("Aufträge Köln.csv", "auftrage_koln"), ("Größe.csv", "grosse"), ("注文.csv", "extracts")),
        *(("units_2024.csv", "units_rows"), ("Features.csv", "features_rows")),
    ],
)
def test_the_name_of_a_source_is_a_valid_table(file: str, name: str, tmp_path: Path) -> None:
    write(tmp_path, file)
    (feed,) = find_feeds(str(tmp_path / file))
    assert feed.name == name


def test_each_feed_has_a_name_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "Orders.csv", "orders.csv", "注文.csv", "顧客.csv")
    assert [feed.name for feed in find_feeds(str(tmp_path))] == ["orders", "orders_2", "extracts", "extracts_2"]


@pytest.mark.parametrize("name", ["orders [new].csv", "what?.csv", "all*.csv"])
def test_the_glob_of_a_feed_matches_its_files_alone(name: str, tmp_path: Path) -> None:
    write(tmp_path, name, "orders n.csv", "what1.csv", "all of them.csv")
    (feed,) = [feed for feed in find_feeds(str(tmp_path)) if fnmatchcase(name, feed.files)]
    assert [path.name for path in tmp_path.iterdir() if fnmatchcase(path.name, feed.files)] == [name]


def test_a_feed_with_dates_leaves_out_a_feed_of_a_longer_name(tmp_path: Path) -> None:
    write(tmp_path, "orders_2020-01-01.csv", "orders_2020-01-02.csv", "orders_items.csv")
    feeds = {feed.name: feed.files for feed in find_feeds(str(tmp_path))}
    assert feeds == {"orders": "orders_[0-9]*.csv", "orders_items": "orders_items.csv"}


@pytest.mark.parametrize(
    "names",
    [
        ("visits_3f2504e0-4f89-11d3-9a0c-0305e82c3301.csv", "visits_20240301-4f89-11d3-9a0c-0305e82c3302.csv"),
        ("visits_2020-01-01_3F2504E0-4F89-11D3-9A0C-0305E82C3301.csv", "visits_2020-01-02.csv"),
        ("visits-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-1.csv", "visits-20000000-9c0b-4ef8-bb6d-6bb9bd380a11-2.csv"),
    ],
)
def test_files_that_differ_in_a_uuid_are_one_feed(names: tuple[str, str], tmp_path: Path) -> None:
    write(tmp_path, *names)
    assert {feed.name: feed.files for feed in find_feeds(str(tmp_path))} == {"visits": "visits*.csv"}


def test_a_feed_with_uuids_leaves_out_a_feed_of_a_longer_name(tmp_path: Path) -> None:
    uuids = [f"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1{n}" for n in range(2)]
    write(tmp_path, *(f"orders_{uuid}.csv" for uuid in uuids), "orders_items.csv")
    feeds = {feed.name: feed.files for feed in find_feeds(str(tmp_path))}
    assert feeds == {"orders": "orders_*-*-*-*-*.csv", "orders_items": "orders_items.csv"}


@pytest.mark.parametrize(
    ("names", "glob"),
    [
        (("sales_1.csv", "sales_2.csv.gz"), "sales*.csv*"),
        (("sales_1.csv", "sales_2.CSV"), "sales*.[cC][sS][vV]"),
        (("sales_1.CSV", "sales_2.csv.gz"), "sales*.[cC][sS][vV]*"),
        (("sales.v1.csv", "sales.v2.csv"), "sales*.csv"),
        (("sales_1.json", "sales_2.ndjson"), "sales*.*"),
    ],
)
def test_the_glob_of_a_feed_matches_all_its_files(names: tuple[str, str], glob: str, tmp_path: Path) -> None:
    for name, day in zip(names, ("2020-01-01", "2020-01-02"), strict=True):
        text = f'{{"day": "{day}"}}\n' if "json" in name else f"day,load\n{day},1\n"
        (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    (feed,) = find_feeds(str(tmp_path))
    assert feed.files == glob and feed.profile.rows == 2
    assert all(fnmatchcase(name, feed.files) for name in names)


def test_files_of_two_formats_are_two_feeds(tmp_path: Path) -> None:
    write(tmp_path, "sales.csv")
    (tmp_path / "sales.jsonl").write_text('{"day": "2020-01-01"}\n')
    feeds = {feed.name: feed.files for feed in find_feeds(str(tmp_path))}
    assert feeds == {"sales": "sales.csv", "sales_2": "sales.jsonl"}


@pytest.mark.parametrize("name", ["._sales.csv", ".sales.csv", "~sales.csv.tmp"])
def test_a_file_that_no_scan_takes_is_not_profiled(name: str, tmp_path: Path) -> None:
    write(tmp_path, "sales.csv")
    (tmp_path / name).write_bytes(b"\0\5\26\7")
    (feed,) = find_feeds(str(tmp_path))
    assert feed.files == "sales.csv"


def test_the_location_of_a_link_is_its_own_folder(tmp_path: Path) -> None:
    write(tmp_path / "store", "export-17.csv")
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "sales.csv").symlink_to(tmp_path / "store" / "export-17.csv")
    (feed,) = find_feeds(str(tmp_path / "landing"))
    assert (feed.location, feed.files) == (tmp_path / "landing", "sales.csv")


def test_a_feed_drafts_its_source(tmp_path: Path) -> None:
    write(tmp_path, "orders.csv")
    (feed,) = find_feeds(str(tmp_path / "*.csv"))
    source = feed.draft_source()
    assert feed.has_key and source.key == ["day"]
    assert (source.partition, source.known_at) == ("day", "utc(day + 1)")
    assert source.location == str(tmp_path)


@pytest.mark.parametrize(
    ("texts", "key", "optional"),
    [
        (("day,shop\n2020-01-01,a\n2020-01-01,a\n", "day,shop,promo\n2020-01-02,a,y\n"), ["day", "shop"], ["promo"]),
        (("day\n2020-01-01\n2020-01-01\n", "shop\na\n"), ["day", "shop"], []),
        (("day\n", "day,code\n2020-01-01,a\n2020-01-01,b\n"), ["code"], []),
    ],
    ids=["a newer file has more columns", "no column is in every file", "a file without rows lacks the key"],
)
def test_no_column_of_the_key_is_optional(
    texts: tuple[str, str], key: list[str], optional: list[str], tmp_path: Path
) -> None:
    for number, text in enumerate(texts):
        (tmp_path / f"sales_{number}.csv").write_text(text)
    (feed,) = find_feeds(str(tmp_path))
    source = feed.draft_source()
    assert (source.key, source.optional) == (key, optional)


def test_a_date_of_birth_is_not_the_day_of_a_row(tmp_path: Path) -> None:
    rows = "".join(f"{1950 + n}-01-01,2020-01-{n + 1:02}\n" for n in range(30))
    (tmp_path / "visits.csv").write_text("birth_date,visited\n" + rows)
    (feed,) = find_feeds(str(tmp_path))
    assert feed.draft_source().partition == "visited"


def test_a_feed_without_a_time_column_is_a_snapshot(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text("site,size\n" + "".join(f"s{n},{n % 2}\n" for n in range(20)))
    (feed,) = find_feeds(str(tmp_path))
    assert feed.history is None and feed.draft_source().partition == ""


def test_a_broken_link_is_not_an_extract(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text("site,size\n1,2\n")
    (tmp_path / "orders.csv").symlink_to("n" * 300)  # Path.is_file raises OSError for such a link
    (feed,) = find_feeds(str(tmp_path))
    assert feed.name == "sites"


def test_a_folder_without_extracts_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(UnreadableExtractError, match=r"contains no extract\. The names of extracts must end in"):
        find_feeds(str(tmp_path))
