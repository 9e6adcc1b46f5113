"""A corrupt week of baskets is rejected, or its bad lines are quarantined."""

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
    """Return the lines of a sound week."""
    (file,) = households.land(tmp_path_factory.mktemp("landed"), WEEK, WEEK)
    return pd.read_parquet(file)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace(catalog.load_use_case(NAME), tmp_path, f"sqlite:///{tmp_path / 'deliveries.sqlite'}")


def validate_week(ws: Workspace, lines: pd.DataFrame) -> Verdict:
    """Return the verdict on a week of these lines."""
    ws.landing.folder.mkdir(parents=True)
    lines.to_parquet(ws.landing.folder / f"baskets_{WEEK}.parquet", index=False)
    ingest(ws.use_case, "baskets", ws.lake, ws.landing, [f"{WEEK}"], ws.code_version)
    verdicts = validate(
        ws.use_case, "baskets", load_suite(NAME, "baskets"), ws.lake, [f"{WEEK}"], None, ws.code_version
    )
    return verdicts[f"{WEEK}"]


def split_basket(lines: pd.DataFrame) -> pd.DataFrame:
    first = lines.index == lines.index[0]
    return pd.concat([lines, lines[first].assign(household_id=1, product_id=1)], ignore_index=True)


REFUSED: dict[str, tuple[Change, str]] = {
    "cut on Wednesday": (
        lambda d: d[d["transaction_timestamp"] < "2017-06-21"],
        "with fewer, every household looks",
    ),
    "without its Saturday": (lambda d: d[d["transaction_timestamp"] < "2017-06-24 04:00"], "stopped before Saturday"),
    "in cents": (lambda d: d.assign(sales_value=d["sales_value"] * 100), "cents or another currency"),
    "of another year's weeks": (lambda d: d.assign(week=d["week"] + 52), "100% of the rows are quarantined"),
    "with a basket of two households": (split_basket, "belong to two households"),
    "half as many households": (lambda d: d[d["household_id"] % 2 == 0], "1,240 to 1,420 of 2,469 households"),
}


def test_a_sound_week_is_accepted(ws: Workspace, landed: pd.DataFrame) -> None:
    verdict = validate_week(ws, landed)
    assert verdict.accepted
    assert (verdict.accepted_rows, verdict.quarantined) == (len(landed), 0)


@pytest.mark.parametrize("name", REFUSED)
def test_a_misleading_week_is_rejected(ws: Workspace, landed: pd.DataFrame, name: str) -> None:
    change, reason = REFUSED[name]
    verdict = validate_week(ws, change(landed))
    assert not verdict.accepted
    assert reason in " ".join(verdict.reasons)
    assert ws.lake.entry("validated/baskets", f"{WEEK}") is None


def test_an_impossible_line_is_quarantined_without_showing_values(ws: Workspace, landed: pd.DataFrame) -> None:
    wrong = landed.assign(retail_disc=landed["retail_disc"].where(landed.index != 7, -3.0))
    verdict = validate_week(ws, wrong)
    assert verdict.accepted
    assert verdict.quarantined == 1
    (quarantined,) = pq.read_table(ws.lake.local_file(ws.lake.entries("quarantine/baskets")[f"{WEEK}"])).to_pylist()
    assert "retail_disc" in quarantined["_reason"]
    verdict_text = f"{verdict.to_dict()}"
    for column in ("household_id", "basket_id"):
        assert f"{wrong.loc[7, column]}" not in verdict_text
        assert column not in verdict_text


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
