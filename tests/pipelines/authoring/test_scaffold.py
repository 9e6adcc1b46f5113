"""`sixtyforty new` writes a draft that loads, whatever the extracts hold, and marks what is left to fill in."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from expectations.rules import Suite
from expectations.suites import HERE
from pipelines.authoring import loader
from pipelines.authoring.feeds import Query
from pipelines.authoring.rendering import Shape
from pipelines.authoring.scaffold import ScaffoldError, create_use_case
from sixtyforty.ingest.formats.base import UnreadableExtractError
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import DeclarationError
from sixtyforty.spec.yaml_positions import parse_yaml
from tests.copies import copy_project, run

DAYS = [date(2020, 1, 1) + timedelta(days=n) for n in range(120)]
DAILY_LINES = ["day,load,site", *(f"{day},{n % 7},{'ab'[n % 2]}" for n, day in enumerate(DAYS))]
ORDER_LINES = [
    "order_id,Ordered At,email,total",
    *(
        f"{n},{day} 1{n % 10}:30:00,p{n}@example.org,{n % 7 + 0.5}"
        for n, day in enumerate(day for day in DAYS for _ in range(2))
    ),
]


def scaffold(folder: Path, lines: list[str] | None, like: str | None = None, name: str = "late_orders") -> Draft:
    """Create a use case in a folder of its own, from one extract with these lines or from none."""
    extract = folder / "in" / "Shop-orders_2020-01-01.csv"
    extract.parent.mkdir(parents=True, exist_ok=True)
    extract.write_text("\n".join(lines or []) + "\n")
    use_cases, rules = folder / "use_cases", folder / "rules"
    if like and not use_cases.exists():
        shutil.copytree(loader.FOLDER, use_cases)
        shutil.copytree(HERE, rules)
    draft, files = create_use_case(name, str(extract) if lines else None, like, use_cases, rules)
    assert all(file.exists() for file in files)
    assert {file.name for file in files} >= {"defs.yaml", "features.sql", "outcomes.sql", "current_process.sql"}
    return draft


def blank_paths(draft: Draft) -> set[str]:
    """Return the fields and files that are left to fill in."""
    return {blank.path for blank in draft.blanks}


def test_with_one_row_a_day_each_day_is_a_unit_and_its_features_run(tmp_path: Path) -> None:
    draft = scaffold(tmp_path, DAILY_LINES)
    source = draft.sources["shop_orders"]
    assert (source.key, source.partition, source.files) == (["day"], "day", "Shop-orders_2020-01-01.csv")
    assert source.columns == {"day": "DATE", "load": "BIGINT", "site": "VARCHAR"}
    assert draft.decision.unit_source is None and draft.decision.key == ["day"]
    assert "dayofweek(local(u.starts_at))" in draft.sql("features")
    assert draft.limits == ("2020-01-01", "2020-04-29")
    assert draft.lookback_partitions == 28
    assert "features.sql" not in blank_paths(draft)
    assert {"title", "kpi.target", "outcomes.sql", "current_process.sql"} <= blank_paths(draft)


@pytest.mark.parametrize(
    ("column", "date_format"), [("day", "%Y-%m-%d"), ("Day Of", "%d/%m/%Y"), ("seen", "%Y-%m-%d 00:00:00")]
)
def test_a_draft_is_complete_once_its_blanks_are_filled_in(column: str, date_format: str, tmp_path: Path) -> None:
    lines = [f"{column},load", *(f"{day:{date_format}},{n % 7}" for n, day in enumerate(DAYS))]
    draft = scaffold(tmp_path, lines)
    file = draft.folder / "defs.yaml"
    text = file.read_text().replace("owner: TODO", "owner: team:x").replace("currency: TODO", "currency: EUR")
    for field in ("headcount", "target", "cost", "gain"):
        text = text.replace(f"{field}: TODO", f"{field}: 1")
    file.write_text(text.replace("TODO", "words"))
    for stage in ("outcomes", "current_process"):
        (draft.folder / f"{stage}.sql").write_text(draft.sql(stage).replace("-- TODO", "--"))
    complete = loader.load_declaration(draft.folder, tmp_path / "rules", sql=True)
    assert not isinstance(complete, Draft) and complete.decision.key == [column]


def test_rows_of_orders_are_the_units_and_personal_columns_are_marked(tmp_path: Path) -> None:
    draft = scaffold(tmp_path, ORDER_LINES)
    source = draft.sources["shop_orders"]
    assert (source.key, source.personal) == (["order_id"], ["email"])
    assert source.partition == 'local("Ordered At")::date' and source.known_at == '"Ordered At"'
    assert {"features.sql", "decision.decided_at"} <= blank_paths(draft)
    listed = parse_yaml(tmp_path / "use_cases" / "late_orders" / "defs.yaml").data["attributes"]["decision_list"]
    assert (listed["label"], listed["sort"]) == ("order_id", "ordered_at")
    assert "email" not in listed["show"] and listed["sort"] in listed["show"]
    suite = parse_yaml(tmp_path / "rules" / "late_orders" / "shop_orders.yaml").data
    assert not any(rule["kwargs"].get("value_set") for rule in suite["rows"])


@pytest.mark.parametrize(
    ("paid", "kind", "note"),
    [
        (
            ["01/02/2024", "01/03/2024"],
            "VARCHAR",
            "the order of day and month is ambiguous. strptime(paid_at, '%m/%d/%Y')::date gives 2024-01-02 to"
            " 2024-01-03. It may also be strptime(paid_at, '%d/%m/%Y')::date",
        ),
        (
            ["25/12/2024", "12/26/2024", "03/04/2024", "never"],
            "VARCHAR",
            "no form reads all texts as dates. Different texts: 2 %d/%m/%Y, 1 %m/%d/%Y, 1 not a date."
            " Ask the sender for one form",
        ),
        (
            ["1709251200", "1709337600"],
            "BIGINT",
            "numbers, or times: all 2 different numbers may be Unix seconds. 1709251200 to 1709337600 are then"
            " 2024-03-01 to 2024-03-02. If so, read them in SQL with"
            " (to_timestamp(paid_at::double) at time zone 'UTC')",
        ),
        (
            ["123.456", "1.200"],
            "DECIMAL(18,3)",
            "all 2 different texts have three digits after the point, so it may group digits. 1.200 to 123.456 are"
            ' then 1200 to 123456. If so, declare `thousands: "."` and `decimal: ","` for the source',
        ),
    ],
)
def test_a_column_that_cannot_be_read_for_sure_is_marked(tmp_path: Path, paid: list[str], kind: str, note: str) -> None:
    rows = [f"{n},2024-01-0{n},{text}" for n, text in enumerate(paid, 1)]
    defs = (scaffold(tmp_path, ["id,day,paid_at", *rows]).folder / "defs.yaml").read_text()
    assert f"        paid_at: {kind}  # CHECK: {note}\n" in defs


def test_ambiguous_dates_are_marked_with_both_readings(tmp_path: Path) -> None:
    days = [date(2024, month, day) for month in (3, 4) for day in range(1, 13)]
    draft = scaffold(tmp_path, ["day,load", *(f"{day:%d/%m/%Y},{n}" for n, day in enumerate(days))])
    text = (draft.folder / "defs.yaml").read_text()
    (line,) = [line for line in text.splitlines() if line.strip().startswith("partition:")]
    assert draft.sources["shop_orders"].partition == "strptime(day, '%d/%m/%Y')::date"
    assert "CHECK: the order of day and month is ambiguous" in line
    assert "gives 2024-03-01 to 2024-04-12" in line and "strptime(day, '%m/%d/%Y')::date" in line


def test_lines_that_are_no_rows_are_named_in_the_draft(tmp_path: Path) -> None:
    draft = scaffold(tmp_path, [*DAILY_LINES, "5,5,5,5,5,5,5,5"])
    text = (draft.folder / "defs.yaml").read_text()
    (line,) = [line for line in text.splitlines() if "can't be read as a row" in line]
    assert line.strip().startswith("# CHECK: ") and f"1 of {len(DAILY_LINES)} lines" in line
    assert f"Line {len(DAILY_LINES) + 1}: " in line


def test_weekdays_without_rows_become_closed(tmp_path: Path) -> None:
    lines = [f"{day},{n % 7}" for n, day in enumerate(DAYS) if day.weekday() < 5]
    draft = scaffold(tmp_path, ["day,load", *lines])
    assert draft.partitions.closed_weekdays == ["saturday", "sunday"]


@pytest.mark.parametrize(
    ("texts", "decimal", "thousands", "kind"),
    [
        (["1,50", "20,00"], ",", None, "DECIMAL(18,2)"),
        (["1.234,50", "7,00"], ",", ".", "DECIMAL(18,2)"),
        (["1,234.50", "7.00"], ".", ",", "DECIMAL(18,2)"),
        (["1,5", "-0,25"], ",", None, "DOUBLE"),
        (["12'000", "7"], ".", "'", "BIGINT"),
    ],
)
def test_numbers_of_another_form_are_declared(
    texts: list[str], decimal: str, thousands: str | None, kind: str, tmp_path: Path
) -> None:
    lines = [f"{n};{day};{texts[n % 2]}" for n, day in enumerate(DAYS)]
    source = scaffold(tmp_path, ["n;day;total", *lines]).sources["shop_orders"]
    assert source.columns == {"n": "BIGINT", "day": "DATE", "total": kind}
    assert (source.decimal, source.thousands) == (decimal, thousands)


def test_codes_stay_text_and_amounts_are_decimal(tmp_path: Path) -> None:
    lines = [f"{n % 28 + 1}E{n % 4},{n:05},{n}.{n % 10}0,{day}" for n, day in enumerate(DAYS)]
    draft = scaffold(tmp_path, ["sku,customer,total,day", *lines])
    columns = draft.sources["shop_orders"].columns
    assert columns == {"sku": "VARCHAR", "customer": "VARCHAR", "total": "DECIMAL(18,2)", "day": "DATE"}


def test_types_hold_for_all_files_whatever_the_order_of_their_columns(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "orders_1.csv").write_text("id,day,size\n1,2024-01-01,7\n2,2024-01-02,8\n")
    (folder / "orders_2.csv").write_text("size,id,day,note\nlarge,3,2024-01-03,x\n9,4,2024-01-04,\n")
    draft, _ = create_use_case("orders", str(folder), None, tmp_path / "use_cases", tmp_path / "rules")
    source = draft.sources["orders"]
    assert source.columns == {"id": "BIGINT", "day": "DATE", "size": "VARCHAR", "note": "VARCHAR"}
    assert source.optional_columns == ["note"], "the first file lacks it"


@pytest.mark.parametrize("shape", ["binary", "ranked", "amount", "experiment"])
def test_each_shape_is_complete_once_its_blanks_are_filled_in(shape: Shape, tmp_path: Path) -> None:
    extract = tmp_path / "in" / "loads.csv"
    extract.parent.mkdir()
    extract.write_text("\n".join(DAILY_LINES) + "\n")
    rules = tmp_path / "rules"
    draft, _ = create_use_case("loads", str(extract), None, tmp_path / "use_cases", rules, shape)
    file = draft.folder / "defs.yaml"
    text = file.read_text().replace("owner: TODO", "owner: team:x").replace("currency: TODO", "currency: EUR")
    text = text.replace("{none: TODO, act: TODO}", "{none: 0.5, act: 0.5}").replace("limit: TODO", "limit: 3")
    for field in ("headcount", "target", "cost", "gain", "shortage_cost", "excess_cost", "value_per_outcome"):
        text = text.replace(f"{field}: TODO", f"{field}: 1")
    file.write_text(text.replace("maximum: TODO", "maximum: 9").replace("TODO", "words"))
    for stage in ("outcomes", "current_process"):
        (draft.folder / f"{stage}.sql").write_text(draft.sql(stage).replace("-- TODO", "--"))
    complete = loader.load_declaration(draft.folder, rules, sql=True)
    assert not isinstance(complete, Draft)
    kpi = complete.kpi
    assert (kpi.amount is not None, kpi.has_limits, kpi.treatment is not None) == (
        shape == "amount",
        shape == "ranked",
        shape == "experiment",
    )


def test_a_table_without_a_time_column_is_a_snapshot(tmp_path: Path) -> None:
    draft = scaffold(tmp_path, ["sku,price", *(f"s{n},{n * 1.5}" for n in range(30))])
    assert not draft.partitioned and draft.sources["shop_orders"].key == ["sku"]


def test_without_extracts_there_is_an_example_to_replace(tmp_path: Path) -> None:
    draft = scaffold(tmp_path, None)
    assert "an invented example" in (draft.folder / "defs.yaml").read_text()


@pytest.mark.parametrize("lines", [None, DAILY_LINES], ids=["alone", "with extracts"])
def test_a_copy_of_another_use_case_has_its_model_but_not_its_people(lines: list[str] | None, tmp_path: Path) -> None:
    other = loader.list_use_cases()[0]
    draft, original = scaffold(tmp_path, lines, like=other), loader.load_declaration(loader.FOLDER / other)
    assert draft.model == original.model and draft.gate == original.gate
    assert {"title", "owner", "vision", "people.role"} <= blank_paths(draft)
    assert (list(draft.sources) == ["shop_orders"]) == bool(lines)
    assert loader.load_declaration(loader.FOLDER / other) == original
    if lines:
        assert {"features.sql", "outcomes.sql"} <= blank_paths(draft)
    else:
        assert other not in (draft.folder / "defs.yaml").read_text()


def list_sources(project: Path) -> list[Path]:
    """Return the files of a project without bytecode."""
    return [path for path in project.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def test_the_new_use_case_leaves_the_other_files_of_the_project_alone(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    before = {path: path.read_bytes() for path in list_sources(project)}
    extract = tmp_path / "orders.csv"
    extract.write_text("\n".join(DAILY_LINES) + "\n")
    done = run(project, "sixtyforty", "new", "late_orders", "--from", str(extract))
    assert done.returncode == 0, done.stderr
    written = set(list_sources(project)) - before.keys()
    folders = {"pipelines/use_cases/late_orders", "expectations/late_orders"}
    assert {str(path.parent.relative_to(project)) for path in written} == folders
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("name", "like", "message"),
    [
        ("Late Orders", None, "'Late Orders' is not a valid use case name"),
        ("late_orders", None, "The use case 'late_orders' or its suites exist already"),
        ("x", "late_order", "There is no use case 'late_order' to copy from. Did you mean 'late_orders'"),
        ("x", "zzz", "There is no use case 'zzz' to copy from. Declared are: late_orders"),
    ],
)
def test_a_use_case_that_cannot_be_created_leaves_no_file(
    name: str, like: str | None, message: str, tmp_path: Path
) -> None:
    scaffold(tmp_path, DAILY_LINES)
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    with pytest.raises(ScaffoldError, match=message):
        create_use_case(name, None, like, tmp_path / "use_cases", tmp_path / "rules")
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before


def test_a_reserved_column_name_is_left_out_and_marked(tmp_path: Path) -> None:
    scaffold(tmp_path, ["day,known_at", *(f"{day},{day}" for day in DAYS)])
    declared = (tmp_path / "use_cases" / "late_orders" / "defs.yaml").read_text()
    assert "# CHECK: the column 'known_at' is left out" in declared


def test_a_draft_that_does_not_load_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise DeclarationError("late_orders", [])

    monkeypatch.setattr("pipelines.authoring.loader.load_declaration", refuse)
    with pytest.raises(DeclarationError):
        scaffold(tmp_path, ["day,n", *(f"{day},{n}" for n, day in enumerate(DAYS))])
    assert not (tmp_path / "use_cases" / "late_orders").exists()


def test_missing_extracts_leave_no_file(tmp_path: Path) -> None:
    folders = tmp_path / "use_cases", tmp_path / "rules"
    with pytest.raises(UnreadableExtractError, match="contains no extract"):
        create_use_case("x", str(tmp_path / "nothing*"), None, *folders)
    assert not (tmp_path / "use_cases").exists()


def test_two_sources_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", f"sqlite:///{tmp_path / 'shop.db'}")
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("create table shop_orders as select 1 as id, '2020-01-01' as day")
    file = tmp_path / "shop_orders.csv"
    file.write_text("\n".join(DAILY_LINES) + "\n")
    folders, query = (tmp_path / "use_cases", tmp_path / "rules"), Query("select * from shop_orders", "SHOP_URL")
    with pytest.raises(ScaffoldError, match=r"'shop_orders': .*\.csv and --query"):
        create_use_case("x", str(file), None, *folders, query=query)
    assert not (tmp_path / "use_cases").exists()


TEXTS = ["a", "b, c", "it's", "", "NA", "ü", '"q"', "#", "- x", "TODO"]
COLUMNS = st.one_of(
    st.lists(st.integers(-(10**6), 10**6).map(str), min_size=30, max_size=30),
    st.lists(st.floats(-1e6, 1e6).map(lambda number: f"{number:.3f}"), min_size=30, max_size=30),
    st.lists(st.sampled_from(TEXTS), min_size=30, max_size=30),
    st.just([str(day) for day in DAYS[:30]]),
    st.just([f"{day:%d.%m.%Y}" for day in DAYS[:30]]),
    st.just([f"{day}T10:00:00Z" for day in DAYS[:30]]),
    st.lists(st.sampled_from(["true", "false"]), min_size=30, max_size=30),
)
HEADERS = st.sampled_from(
    ["id", "Order No.", "select", "day", "starts_at", "ünit", "a-b", "TODO", "on", "e mail", "x'y", "1st"]
)


def as_cell(text: str) -> str:
    """Return a text as a cell of a CSV file."""
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"') else text


@settings(max_examples=25, phases=[Phase.generate])
@given(st.dictionaries(HEADERS, COLUMNS, min_size=1, max_size=5))
def test_a_draft_loads_whatever_the_columns_hold(tmp_path_factory: pytest.TempPathFactory, columns) -> None:
    rows = zip(*columns.values(), strict=True)
    draft = scaffold(
        tmp_path_factory.mktemp("new"), [",".join(columns), *(",".join(map(as_cell, row)) for row in rows)]
    )
    (source,) = draft.sources.values()
    assert list(source.columns) == list(columns)
    for name in ("shop_orders", "features"):
        Suite.model_validate(parse_yaml(draft.folder.parents[1] / "rules" / "late_orders" / f"{name}.yaml").data)


@pytest.mark.e2e
def test_dagster_creates_the_same_files_as_the_command(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    extract = tmp_path / "measured.csv"
    extract.write_text("\n".join(DAILY_LINES) + "\n")
    process = run(project, "sixtyforty", "new", "by_command", "--from", str(extract))
    assert process.returncode == 0, process.stdout + process.stderr
    target_line = (project / "pipelines/use_cases/by_command/defs.yaml").read_text().split("    target: TODO")[0]
    assert f"kpi.target (defs.yaml:{target_line.count(chr(10)) + 1})" in process.stdout
    component = "pipelines.component.DecisionPipeline"
    process = run(project, "dg", "scaffold", "defs", component, "by_dagster", "--extracts", str(extract))
    assert process.returncode == 0, process.stdout + process.stderr
    for folder in ("pipelines/use_cases", "expectations"):
        by_command, by_dagster = (
            {path.name: path.read_text().replace(name, "") for path in (project / folder / name).iterdir()}
            for name in ("by_command", "by_dagster")
        )
        assert by_command == by_dagster
    process = run(project, "dg", "check", "defs")
    assert process.returncode == 0, process.stdout + process.stderr
    report = run(project, "sixtyforty", "doctor").stdout
    assert "outcomes.sql (outcomes.sql:1): SQL that returns one row per unit" in report
