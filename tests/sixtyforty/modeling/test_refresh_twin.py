"""A refresh is compared with the champion through a twin, on days from which neither model learned."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from sixtyforty.modeling.backtest import find_trained_version
from sixtyforty.modeling.refresh_twin import TwinComparison, compare_with_twin, list_candidates
from sixtyforty.modeling.training_plan import hash_recipe
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days
from tests.trained_models import train_on

FIRST = date(2013, 3, 1)
DAYS = [FIRST + timedelta(days=i) for i in range(41)]
CHAMPION = date(2013, 3, 11)
AS_OF = date(2013, 4, 10)  # the champion is 30 days old
MIDDLE = date(2013, 3, 25)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Publish 41 days, and train a champion after the first ten."""
    home = tmp_path_factory.mktemp("home")
    ws = make_workspace(home, partitions={"start": FIRST}, replay={"retrain": "month"})
    publish_days(ws, DAYS, count=10)
    train_on(ws, CHAMPION)
    return ws


@pytest.fixture
def ws(published: Workspace) -> Iterator[Workspace]:
    """Yield the published days. Afterwards, only the champion's model is stored."""
    (champion,) = published.models.versions()
    files = {path: path.read_bytes() for path in Path(str(published.models.folder(champion))).iterdir()}
    yield published
    for version in published.models.versions():
        if version != champion:
            shutil.rmtree(str(published.models.folder(version)))
    for path, content in files.items():
        path.write_bytes(content)


@pytest.fixture
def own_ws(published: Workspace, tmp_path: Path) -> Workspace:
    """Return a copy of the published days, whose features a test may change."""
    shutil.copytree(published.home, tmp_path / "home")
    return replace(published, home=tmp_path / "home")


def known_until(last: date) -> list[DailyValue]:
    """Return days of the recipe's backtest with known outcomes, from the first to `last`."""
    days = [day for day in DAYS if day <= last]
    return [DailyValue(str(day), 10, 0.0, 0.0, 0.0, 0.0, 0, 0, 0) for day in days]


def compare(
    ws: Workspace, champions: Sequence[str], as_of: date = AS_OF, last: date | None = None
) -> TwinComparison | None:
    known = known_until(last or as_of - timedelta(days=1))
    return compare_with_twin(ws.use_case, ws.lake, ws.models, hash_recipe(ws.use_case), as_of, champions, known)


def days_of(values: Sequence[DailyValue]) -> tuple[str, str]:
    return values[0].partition, values[-1].partition


def test_a_twin_is_trained_once_at_the_middle_and_valued_on_the_second_half(ws: Workspace) -> None:
    (champion,) = ws.models.versions()
    block = compare(ws, [champion])
    assert block
    assert ws.models.versions() == [champion, block.twin_version]
    assert ws.models.card(block.twin_version).as_of == MIDDLE
    assert ws.models.card(block.twin_version).last == "2013-03-24"
    assert (block.champion_version, block.twin_version != champion) == (champion, True)
    assert days_of(block.twin) == days_of(block.champion) == ("2013-03-25", "2013-04-09")
    assert compare(ws, [champion]) == block
    assert len(ws.models.versions()) == 2


def test_a_stored_model_near_the_middle_is_the_twin(ws: Workspace) -> None:
    (champion,) = ws.models.versions()
    far, near = train_on(ws, date(2013, 3, 14)), train_on(ws, date(2013, 3, 28))
    block = compare(ws, [champion])
    assert block and block.twin_version == near
    assert days_of(block.twin) == ("2013-03-28", "2013-04-09")
    assert sorted(ws.models.versions()) == [champion, far, near]


def test_a_stored_model_of_earlier_data_is_no_twin(own_ws: Workspace) -> None:
    (champion,) = own_ws.models.versions()
    old = train_on(own_ws, MIDDLE)
    reverse_loads(own_ws, [day for day in DAYS if day < MIDDLE])
    assert (
        find_trained_version(own_ws.use_case, own_ws.lake, own_ws.models, hash_recipe(own_ws.use_case), MIDDLE) is None
    )
    block = compare(own_ws, [champion])
    assert block and block.twin_version not in (old, champion)


def reverse_loads(ws: Workspace, days: Sequence[date]) -> None:
    """Publish the features of some days again, with a low load where it was high."""
    for day in days:
        entry = ws.lake.entry("features", day.isoformat())
        assert entry
        rows: pa.Table = pq.read_table(ws.lake.local_file(entry))
        position = rows.column_names.index("load")
        rows = rows.set_column(position, "load", pc.subtract(1.0, rows["load"]))
        ws.lake.write("features", day.isoformat(), rows, inputs=entry.inputs, code="test", facts=entry.facts)


def test_scrambled_features_in_the_training_data_show(own_ws: Workspace) -> None:
    (champion,) = own_ws.models.versions()
    equal = compare(own_ws, [champion])
    reverse_loads(own_ws, [day for day in DAYS if day < MIDDLE])
    scrambled = compare(own_ws, [champion])
    assert equal and scrambled
    losses = [sum(b.model - a.model for a, b in zip(x.twin, x.champion, strict=True)) for x in (equal, scrambled)]
    assert losses[0] == pytest.approx(0, abs=30)
    assert losses[1] > 200


def test_only_days_with_known_outcomes_count(ws: Workspace) -> None:
    (champion,) = ws.models.versions()
    block = compare(ws, [champion], last=date(2013, 3, 31))
    assert block
    assert ws.models.card(block.twin_version).as_of == date(2013, 3, 18)
    assert days_of(block.twin) == ("2013-03-18", "2013-03-31")


@pytest.mark.parametrize("last", [None, CHAMPION + timedelta(days=14), FIRST - timedelta(days=1)])
def test_a_young_champion_alone_is_not_compared_and_no_model_is_trained(ws: Workspace, last: date | None) -> None:
    (champion,) = ws.models.versions()
    as_of = AS_OF if last else CHAMPION + timedelta(days=1)
    assert compare(ws, [champion], as_of, last) is None
    assert ws.models.versions() == [champion]


def test_few_days_after_the_middle_train_no_twin(ws: Workspace) -> None:
    (champion,) = ws.models.versions()
    recipe = hash_recipe(ws.use_case)
    sparse = [*known_until(MIDDLE), *known_until(AS_OF - timedelta(days=1))[-6:]]
    assert compare_with_twin(ws.use_case, ws.lake, ws.models, recipe, AS_OF, [champion], sparse) is None
    assert ws.models.versions() == [champion]


def test_frequent_retrainings_compare_stored_models_and_train_none(ws: Workspace) -> None:
    (earlier,) = ws.models.versions()
    middle, young = train_on(ws, date(2013, 3, 25)), train_on(ws, AS_OF - timedelta(days=1))
    block = compare(ws, [young, middle, earlier])
    assert block and (block.champion_version, block.twin_version) == (earlier, middle)
    assert days_of(block.twin) == ("2013-03-25", "2013-04-09")
    assert len(ws.models.versions()) == 3


def test_frequent_retrainings_on_changed_data_train_a_twin(own_ws: Workspace) -> None:
    """Before, no stored model could be the twin, so a refresh on scrambled features had nothing to compare."""
    (earlier,) = own_ws.models.versions()
    young = train_on(own_ws, AS_OF - timedelta(days=1))
    train_on(own_ws, MIDDLE)
    reverse_loads(own_ws, [day for day in DAYS if day < MIDDLE])
    block = compare(own_ws, [young, earlier])
    assert block and block.champion_version == earlier
    assert own_ws.models.card(block.twin_version).as_of == MIDDLE
    assert sum(b.model - a.model for a, b in zip(block.twin, block.champion, strict=True)) > 200


def test_a_retraining_each_month_compares_the_models_of_the_months_before_and_trains_none(ws: Workspace) -> None:
    (before_last,) = ws.models.versions()
    last = train_on(ws, AS_OF - timedelta(days=16))  # a twin would be trained, if the champion in force were compared
    block = compare(ws, [last, before_last])
    assert block and (block.champion_version, block.twin_version) == (before_last, last)
    assert len(ws.models.versions()) == 2


def test_the_champion_in_force_is_the_best_and_then_earlier_ones_of_about_a_month() -> None:
    end = date(2013, 4, 30)
    ages = [1, 16, 29, 30, 31, 62, 63]
    in_order = [ages[position] for position, _ in list_candidates([end - timedelta(days=age) for age in ages], end)]
    assert in_order == [30, 31, 62, 29, 16]
    assert list_candidates([end - timedelta(days=63), end - timedelta(days=30)], end) == [
        (0, date(2013, 3, 26)),
        (1, date(2013, 4, 14)),
    ]
    assert list_candidates([end - timedelta(days=15)], end) == []


def test_an_earlier_champion_that_cannot_be_trusted_is_left_out(ws: Workspace) -> None:
    (earlier,) = ws.models.versions()
    _, young = train_on(ws, date(2013, 3, 25)), train_on(ws, AS_OF - timedelta(days=1))
    Path(str(ws.models.folder(earlier)), "model.skops").write_bytes(b"rubbish")
    assert compare(ws, [young, earlier]) is None


def test_an_earlier_champion_of_another_recipe_is_left_out(ws: Workspace) -> None:
    other = ws.use_case.model.model_copy(update={"seed": 1})
    changed = replace(ws, use_case=ws.use_case.model_copy(update={"model": other}))
    earlier = train_on(changed, CHAMPION)
    _, young = train_on(ws, date(2013, 3, 25)), train_on(ws, AS_OF - timedelta(days=1))
    assert compare(ws, [young, earlier]) is None


def test_a_twin_that_learns_from_too_few_rows_says_nothing(ws: Workspace) -> None:
    (champion,) = ws.models.versions()
    gate = ws.use_case.gate.model_copy(update={"min_training_rows": 1000})
    strict = replace(ws, use_case=ws.use_case.model_copy(update={"gate": gate}))
    assert compare(strict, [champion]) is None
