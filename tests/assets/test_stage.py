"""What a stage is, what its function receives, and what it returns."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa

from assets.stage import PublishedPartition, Stage, StageResult, StageTarget, resolve
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.workspace import Workspace
from tests.assets.conftest import make_run


def test_a_field_of_the_table_is_the_same_for_all_or_computed_from_the_target(workspace: Workspace) -> None:
    target = StageTarget(workspace.use_case, "calls")
    assert resolve("the same", target) == "the same"
    assert resolve(lambda t: t.source.description, target) == workspace.use_case.sources["calls"].description


def test_a_stage_of_each_source_has_a_target_for_each(workspace: Workspace) -> None:
    def stage(**options: object) -> Stage:
        return Stage(
            name="raw",
            run=lambda run: StageResult(),
            description="",
            phase="evaluation",
            kinds=set(),
            inputs=(),
            **options,  # type: ignore[arg-type]
        )

    def sources(built: Stage) -> list[str]:
        return [target.source_name for target in built.targets(workspace.use_case)]

    assert sources(stage(each_source=True)) == ["calls", "visits"]
    assert sources(stage()) == [""]
    assert sources(stage(each_source=True, applies=lambda t: t.source_name == "visits")) == ["visits"]


def test_long_ranges_come_in_portions_and_log_their_progress(workspace: Workspace) -> None:
    partitions = [f"{number:04}" for number in range(400)]
    run = make_run(workspace, partitions)
    groups = list(run.partition_groups())
    assert [p for group in groups for p in group] == partitions
    assert len(groups) > 1
    done = f"{len(groups[0])} of {len(partitions)} partitions"
    assert run.log.lines[0] == f"INFO: progress: {done}, estimating the time left"
    short = make_run(workspace, partitions[:3])
    assert list(short.partition_groups()) == [partitions[:3]]
    assert short.log.lines == []


def test_a_restated_partition_says_what_restated_it(workspace: Workspace) -> None:
    def write(content: str, version: str):
        inputs = {"validated/calls": {"2013-04-01": version}}
        return workspace.lake.write("features", "2013-04-01", pa.table({"x": [content]}), inputs=inputs, code="test")

    before, entry = write("a", "v1"), write("b", "v2")
    result = StageResult({"2013-04-01": PublishedPartition(entry.version)})
    still_open = make_run(workspace, track="live", as_of="2013-04-01T12:00:00")
    result.note_restatement(still_open, before, entry)
    assert result.newest_metadata == {}
    result.note_restatement(make_run(workspace), before, entry)
    assert result.newest_metadata == {"restated by": "validated/calls 2013-04-01"}


def test_the_newest_metadata_is_that_of_the_last_partition() -> None:
    result = StageResult({day: PublishedPartition(day, {"day": day}) for day in ("2013-04-02", "2013-04-01")})
    assert result.newest_metadata == {"day": "2013-04-02"}
    assert StageResult().newest_metadata == {}
    assert set(StageResult.snapshot("v1", {}).published) == {SNAPSHOT}


def test_a_partition_before_the_replay_is_empty_and_says_why(workspace: Workspace) -> None:
    """Dagster would show it as missing, as if a run were outstanding."""
    first = workspace.use_case.replay.first_day
    before, decided = f"{first - timedelta(1)}", f"{first}"
    replay = StageResult({decided: PublishedPartition("v1")})
    replay.note_undecided(make_run(workspace, [before, decided]))
    assert replay.published[decided].version == "v1"
    assert f"{first}" in str(replay.published[before].metadata["why it is empty"])
    live = StageResult()
    live.note_undecided(make_run(workspace, [before], track="live"))
    assert live.published == {}
