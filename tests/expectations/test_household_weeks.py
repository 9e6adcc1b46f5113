"""A corrupt week of baskets never makes households look lost: it is refused, or its bad lines are set aside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from expectations.serving_gate import check_features
from expectations.suites import load_suite
from expectations.validation import validate
from pipelines.authoring import catalog
from pipelines.demo import households
from sixtyforty.ingest.raw import ingest
from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.workspace import Workspace

NAME, WEEK = households.USE_CASE, date(2017, 6, 18)
Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """A sound week, as it lands."""
    (file,) = households.land(tmp_path_factory.mktemp("landed"), WEEK, WEEK)
    return pd.read_parquet(file)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace(catalog.load_use_case(NAME), tmp_path, f"sqlite:///{tmp_path / 'deliveries.sqlite'}")


def judged(ws: Workspace, lines: pd.DataFrame) -> Verdict:
    """The verdict on a week of these lines."""
    ws.landing.folder.mkdir(parents=True)
    lines.to_parquet(ws.landing.folder / f"baskets_{WEEK}.parquet", index=False)
    ingest(ws.use_case, "baskets", ws.lake, ws.landing, [f"{WEEK}"], ws.code_version)
    found = validate(ws.use_case, "baskets", load_suite(NAME, "baskets"), ws.lake, [f"{WEEK}"], None, ws.code_version)
    return found[f"{WEEK}"]


def halves_a_basket(lines: pd.DataFrame) -> pd.DataFrame:
    first = lines.index == lines.index[0]
    return pd.concat([lines, lines[first].assign(household_id=1, product_id=1)], ignore_index=True)


REFUSED: dict[str, tuple[Change, str]] = {
    "cut on Wednesday": (lambda d: d[d["transaction_timestamp"] < "2017-06-21"], "with fewer, every household looks as if"),
    "without its Saturday": (lambda d: d[d["transaction_timestamp"] < "2017-06-24 04:00"], "stopped before Saturday"),
    "in cents": (lambda d: d.assign(sales_value=d["sales_value"] * 100), "cents or another currency"),
    "of another year's weeks": (lambda d: d.assign(week=d["week"] + 52), "100% of the rows are quarantined"),
    "with a basket of two households": (halves_a_basket, "belong to two households"),
    "half as many households": (lambda d: d[d["household_id"] % 2 == 0], "1,240 to 1,420 of 2,469 households"),
}


def test_a_sound_week_passes_whole(ws: Workspace, landed: pd.DataFrame) -> None:
    verdict = judged(ws, landed)
    assert verdict.accepted
    assert (verdict.accepted_rows, verdict.quarantined) == (len(landed), 0)


@pytest.mark.parametrize("name", REFUSED)
def test_a_week_that_would_mislead_is_refused(ws: Workspace, landed: pd.DataFrame, name: str) -> None:
    change, why = REFUSED[name]
    verdict = judged(ws, change(landed))
    assert not verdict.accepted
    assert why in " ".join(verdict.reasons)
    assert ws.lake.entry("validated/baskets", f"{WEEK}") is None


def test_a_line_that_cannot_be_is_set_aside_and_no_value_of_it_is_told(ws: Workspace, landed: pd.DataFrame) -> None:
    wrong = landed.assign(retail_disc=landed["retail_disc"].where(landed.index != 7, -3.0))
    verdict = judged(ws, wrong)
    assert verdict.accepted
    assert verdict.quarantined == 1
    (kept,) = pq.read_table(ws.lake.local_file(ws.lake.entries("quarantine/baskets")[f"{WEEK}"])).to_pylist()
    assert "retail_disc" in kept["_reason"]
    told = f"{verdict.to_dict()}"
    for column in ("household_id", "basket_id"):
        assert f"{wrong.loc[7, column]}" not in told
        assert column not in told


def test_while_a_week_is_missing_the_current_process_decides(ws: Workspace) -> None:
    weeks = [WEEK - timedelta(weeks=n) for n in range(12)]
    for week in weeks[:3] + weeks[4:]:
        households.land(ws.landing.folder, week, week)
    partitions = [f"{w}" for w in sorted(weeks)]
    ingest(ws.use_case, "baskets", ws.lake, ws.landing, partitions, ws.code_version)
    validate(ws.use_case, "baskets", load_suite(NAME, "baskets"), ws.lake, partitions, None, ws.code_version)
    day = f"{WEEK + timedelta(weeks=1)}"
    built = FeatureWindow(ws.use_case, ws.lake, [day]).build()
    rows, verdict = check_features(ws.use_case, load_suite(NAME, "features"), built.tables)[day]
    assert verdict.quarantined == rows.num_rows > 1800
    assert set(rows["suspect"].to_pylist()) == {
        "some of the last twelve weeks are missing, so every household looks as if it had stopped shopping"
    }
