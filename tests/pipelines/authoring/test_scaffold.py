"""What `sixtyforty new` writes loads as a draft, whatever the extracts hold, and says what is left to fill in."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from expectations.suites import HERE, Suite
from pipelines.authoring import loader
from pipelines.authoring.scaffold import NotBegun, begin
from sixtyforty.ingest.formats.base import UnreadableExtractError
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import DeclarationError, parse
from tests.copies import copy_project, run

DAYS = [date(2020, 1, 1) + timedelta(days=n) for n in range(120)]
MEASURED = ["day,load,site", *(f"{d},{n % 7},{'ab'[n % 2]}" for n, d in enumerate(DAYS))]
TWICE = [d for d in DAYS for _ in "ab"]
ORDERS = [
    "order_id,Ordered At,email,total",
    *(f"{n},{d} 1{n % 10}:30:00,p{n}@example.org,{n % 7 + 0.5}" for n, d in enumerate(TWICE)),
]


def started(folder: Path, lines: list[str] | None, like: str | None = None, name: str = "late_orders", **more) -> Draft:
    """Begun in a folder of its own; `lines` are those of its one extract."""
    path = folder / "in" / "Shop-orders_2020-01-01.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines or []) + "\n")
    uses, rules = folder / "uses", folder / "rules"
    for of, to in ((loader.FOLDER, uses), (HERE, rules)):
        if like and not to.exists():
            shutil.copytree(of, to)
    draft, files = begin(name, str(path) if lines else None, like, uses, rules, folder / "dvc.yaml")
    assert all(f.exists() for f in files)
    assert {f.name for f in files} >= {"defs.yaml", "features.sql", "outcomes.sql", "current_process.sql"}
    return draft


def test_a_row_a_day_makes_each_day_a_unit_with_features_that_run(tmp_path: Path) -> None:
    draft = started(tmp_path, MEASURED)
    source = draft.sources["shop_orders"]
    assert (source.key, source.partition, source.files) == (["day"], "day", "Shop-orders_2020-01-01.csv")
    assert source.columns == {"day": "DATE", "load": "BIGINT", "site": "VARCHAR"}
    assert draft.decision.unit_source is None and draft.decision.key == ["day"]
    assert "dayofweek(local(u.starts_at))" in draft.sql("features")
    assert draft.limits == ("2020-01-01", "2020-04-29")
    assert "features.sql" not in [b.path for b in draft.blanks]
    assert {"title", "kpi.target", "outcomes.sql", "current_process.sql"} <= {b.path for b in draft.blanks}


def test_what_is_begun_is_complete_once_its_blanks_are_filled(tmp_path: Path) -> None:
    """Whatever the time is called and however it is written: the key is a column that the source has."""
    for n, (column, form) in enumerate([("day", "%Y-%m-%d"), ("Day Of", "%d/%m/%Y"), ("seen", "%Y-%m-%d 00:00:00")]):
        lines = [f"{column},load", *(f"{d:{form}},{i % 7}" for i, d in enumerate(DAYS))]
        draft = started(tmp_path / str(n), lines)
        file = draft.folder / "defs.yaml"
        text = file.read_text().replace("owner: TODO", "owner: team:x").replace("unit: TODO", "unit: EUR")
        for field in ("headcount", "target", "cost", "gain"):
            text = text.replace(f"{field}: TODO", f"{field}: 1")
        file.write_text(text.replace("TODO", "words"))
        for stage in ("outcomes", "current_process"):
            (draft.folder / f"{stage}.sql").write_text(draft.sql(stage).replace("-- TODO", "--"))
        complete = loader.load_declaration(draft.folder, tmp_path / str(n) / "rules", sql=True)
        assert not isinstance(complete, Draft) and complete.decision.key == [column]


def test_rows_of_orders_are_the_units_and_what_looks_personal_is_marked(tmp_path: Path) -> None:
    draft = started(tmp_path, ORDERS)
    source = draft.sources["shop_orders"]
    assert (source.key, source.personal) == (["order_id"], ["email"])
    assert source.partition == 'local("Ordered At")::date' and source.known_at == '"Ordered At"'
    assert "features.sql" in [b.path for b in draft.blanks]
    assert "decision.decided_at" in [b.path for b in draft.blanks]
    suite = parse(tmp_path / "rules" / "late_orders" / "shop_orders.yaml").data
    assert not any(r["kwargs"].get("value_set") for r in suite["rows"])


def test_a_table_without_a_time_is_taken_whole(tmp_path: Path) -> None:
    draft = started(tmp_path, ["sku,price", *(f"s{n},{n * 1.5}" for n in range(30))])
    assert not draft.partitioned and draft.sources["shop_orders"].key == ["sku"]


def test_without_extracts_there_is_an_example_to_replace(tmp_path: Path) -> None:
    draft = started(tmp_path, None)
    assert "made up" in (draft.folder / "defs.yaml").read_text()


@pytest.mark.parametrize("lines", [None, MEASURED], ids=["alone", "with extracts"])
def test_like_another_begins_with_what_that_declares(lines: list[str] | None, tmp_path: Path) -> None:
    other = loader.list_use_cases()[0]
    draft, model = started(tmp_path, lines, like=other), loader.load_declaration(loader.FOLDER / other)
    assert draft.model == model.model and draft.gate == model.gate
    assert {"title", "owner", "vision", "people.role"} <= {b.path for b in draft.blanks}
    assert (list(draft.sources) == ["shop_orders"]) == bool(lines)
    assert loader.load_declaration(loader.FOLDER / other) == model
    if lines:
        assert {"features.sql", "outcomes.sql"} <= {b.path for b in draft.blanks}
    else:
        assert other not in (draft.folder / "defs.yaml").read_text()


def test_the_recipes_that_dvc_makes_again_have_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages:\n  train:\n    foreach: [one]\n  evaluate:\n    foreach: [one]\n")
    started(tmp_path, MEASURED)
    assert (tmp_path / "dvc.yaml").read_text().count("[one, late_orders]") == 2


@pytest.mark.parametrize(
    ("name", "like", "said"),
    [
        ("Late Orders", None, "isn't a name"),
        ("late_orders", None, "already"),
        ("x", "late_order", "did you mean 'late_orders'"),
    ],
)
def test_what_cannot_be_begun_is_told_and_leaves_nothing(
    name: str, like: str | None, said: str, tmp_path: Path
) -> None:
    started(tmp_path, MEASURED)
    before = sorted(p for p in tmp_path.rglob("*") if p.is_file())
    with pytest.raises(NotBegun, match=said):
        begin(name, None, like, tmp_path / "uses", tmp_path / "rules", tmp_path / "dvc.yaml")
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == before


def test_extracts_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableExtractError, match="there are no extracts"):
        begin("x", str(tmp_path / "nothing*"), None, tmp_path / "uses", tmp_path / "rules", tmp_path / "dvc.yaml")
    assert not (tmp_path / "uses").exists()


def test_a_column_called_like_one_of_the_chains_own_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"columns\.known_at: is what the chain calls"):
        started(tmp_path, ["day,known_at", *(f"{d},{d}" for d in DAYS)])
    assert not (tmp_path / "uses" / "late_orders").exists()


VALUES = st.one_of(
    st.lists(st.integers(-(10**6), 10**6).map(str), min_size=30, max_size=30),
    st.lists(st.floats(-1e6, 1e6).map(lambda v: f"{v:.3f}"), min_size=30, max_size=30),
    st.lists(
        st.sampled_from(["a", "b, c", "it's", "", "NA", "ü", '"q"', "#", "- x", "TODO"]), min_size=30, max_size=30
    ),
    st.just([str(d) for d in DAYS[:30]]),
    st.just([f"{d:%d.%m.%Y}" for d in DAYS[:30]]),
    st.just([f"{d}T10:00:00Z" for d in DAYS[:30]]),
    st.lists(st.sampled_from(["true", "false"]), min_size=30, max_size=30),
)
HEADERS = st.sampled_from(
    ["id", "Order No.", "select", "day", "starts_at", "ünit", "a-b", "TODO", "on", "e mail", "x'y", "1st"]
)


@settings(max_examples=25, phases=[Phase.generate])
@given(st.dictionaries(HEADERS, VALUES, min_size=1, max_size=5))
def test_whatever_the_columns_what_is_written_loads(tmp_path_factory: pytest.TempPathFactory, columns) -> None:
    def cell(value: str) -> str:
        return '"' + value.replace('"', '""') + '"' if any(c in value for c in ',"') else value

    lines = [",".join(columns), *(",".join(map(cell, row)) for row in zip(*columns.values(), strict=True))]
    draft = started(tmp_path_factory.mktemp("begun"), lines)
    (source,) = draft.sources.values()
    assert list(source.columns) == list(columns)
    for name in ("shop_orders", "features"):
        Suite.model_validate(parse(draft.folder.parents[1] / "rules" / "late_orders" / f"{name}.yaml").data)


@pytest.mark.e2e
def test_dagster_scaffolds_the_same_and_both_are_found_sound(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    extract = tmp_path / "measured.csv"
    extract.write_text("\n".join(MEASURED) + "\n")
    component = "pipelines.component.DecisionPipeline"
    done = run(project, "sixtyforty", "new", "by_command", "--from", str(extract))
    assert done.returncode == 0 and "kpi.target (defs.yaml:31)" in done.stdout, done.stdout + done.stderr
    done = run(project, "dg", "scaffold", "defs", component, "by_dagster", "--extracts", str(extract))
    assert done.returncode == 0, done.stdout + done.stderr
    for kind in ("pipelines/use_cases", "expectations"):
        mine, theirs = (
            {p.name: p.read_text().replace(n, "") for p in (project / kind / n).iterdir()}
            for n in ("by_command", "by_dagster")
        )
        assert mine == theirs
    done = run(project, "dg", "check", "defs")
    assert done.returncode == 0, done.stdout + done.stderr
    told = run(project, "sixtyforty", "doctor").stdout
    assert "declaration of by_command: a draft" in told and "outcomes.sql (outcomes.sql:1): SQL that gives" in told
