"""Commands that run the chain: run and fetch-training-data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.answer import Answer, show_progress
from pipelines.cli.commands import RUN, command
from pipelines.cli.options import FirstDay, LastDay, TrackName, UseCaseName
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural


@dataclass(frozen=True, kw_only=True)
class RunAnswer(Answer):
    """Answer of `sixtyforty run`: the ids of the finished runs."""

    run_id: Annotated[str | None, "Dagster's id of the run. Null with --partitions-per-run."]
    runs: Annotated[Sequence[str], "Dagster's ids of all runs."]


@command(
    RUN,
    "run",
    "{demo} --from 2013-06-01 --to 2013-06-30",
    "{demo} --from 2013-06-12 --to 2013-06-12 --select raw/weather,validated/weather",
    "{demo} --from 2013-01-01 --to 2013-12-31 --partitions-per-run 30",
    "{demo} --from 2013-04-01 --to 2013-12-31 --rebuild-replay",
)
def run(
    use_case: UseCaseName,
    first: FirstDay,
    last: LastDay,
    as_of: Annotated[
        datetime | None,
        typer.Option(metavar="TIME", help="Take the decisions that are due at or before this UTC time. Default: now."),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(metavar="STAGES", help="Run only these chain stages, separated by commas."),
    ] = None,
    partitions_per_run: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Split the range into runs of N partitions, on a cluster's workers."),
    ] = None,
    track: TrackName = "replay",
    rebuild_replay: Annotated[
        bool,
        typer.Option(
            "--rebuild-replay", help="Recalculate the replay with today's declaration. Live decisions stay unchanged."
        ),
    ] = False,
) -> RunAnswer:
    """Run the chain on a range of days: extracts, checks, features, decisions, value."""
    from pipelines.authoring import catalog
    from pipelines.cli.errors import CommandError
    from sixtyforty.lifecycle.fixed_parts import refuse_changed_parts

    if select and partitions_per_run:
        raise CommandError("--select and --partitions-per-run exclude each other. Give one of them.")
    as_of_text = as_of.isoformat() if as_of is not None else None
    ws = catalog.open_declared_workspace(use_case)
    stages = _selected_stages(use_case, select) if select else None
    if rebuild_replay:
        _check_rebuild(use_case, track, bool(select or partitions_per_run))
    _check_sql(use_case, track)
    refuse_changed_parts(ws)
    if partitions_per_run:
        from pipelines.operations.parallel_backfill import run_in_parallel

        runs = run_in_parallel(use_case, first, last, partitions_per_run, track, as_of_text)
        return RunAnswer(run_id=None, runs=runs, text=f"{format_plural(len(runs), 'run')} succeeded.")
    from pipelines.operations.run import run_range

    run_id = run_range(use_case, first, last, as_of_text, track, select=stages, rebuild_replay=rebuild_replay)
    return RunAnswer(run_id=run_id, runs=[run_id], text=f"Run {run_id} succeeded.")


def _check_sql(use_case: str, track: Track) -> None:
    """Raise DeclarationError if the declaration or its SQL is wrong.

    If only features.sql is wrong, a live run starts nevertheless: the current process decides, and the run says why.
    """
    from pipelines.authoring import catalog
    from sixtyforty.spec.errors import DeclarationError

    try:
        catalog.load_use_case(use_case, sql=True)
    except DeclarationError as error:
        if track != "live" or {problem.file.name for problem in error.problems} != {"features.sql"}:
            raise
        show_progress(f"{error}\nThe current process decides until features.sql is corrected.")


def _selected_stages(use_case: str, select: Sequence[str]) -> list[str]:
    """Return the chain stages that `--select` names. Raises an error if it names none, or one that doesn't exist."""
    from pipelines.cli.errors import CommandError
    from pipelines.operations.run import require_stages

    stages = [stage.strip() for stages in select for stage in stages.split(",")]
    stages = [stage for stage in stages if stage]
    if not stages:
        raise CommandError(
            "--select names no chain stage. Name one, such as --select features, or leave the option out."
        )
    require_stages(use_case, stages)
    return stages


def _check_rebuild(use_case: str, track: Track, is_partial: bool) -> None:
    """Raise an error if `--rebuild-replay` conflicts with other options, or the use case is stopped or retired."""
    from pipelines.authoring import catalog
    from pipelines.cli.errors import CommandError
    from sixtyforty.lifecycle.replay_rebuild import refuse_after_end
    from sixtyforty.spec.clock import now

    if track == "live":
        raise CommandError("--rebuild-replay can't recalculate live decisions. Leave out --track live.")
    if is_partial:
        raise CommandError("--rebuild-replay runs every chain stage. Leave out --select and --partitions-per-run.")
    refuse_after_end(catalog.open_workspace(use_case), now())


@dataclass(frozen=True, kw_only=True)
class TrainingDataAnswer(Answer):
    """Answer of `sixtyforty fetch-training-data`: the files that were fetched from the DVC remote."""

    model: Annotated[str | None, "The model that was trained on the files. Null: they are inputs of `dvc repro`."]
    files: Annotated[Sequence[str], "The files. Without --model: the DVC pointer files of the inputs of `dvc repro`."]


@command(RUN, "fetch-training-data", "{demo}", "{demo} --model 2013-06-12-0123abcd --to data/training")
def fetch_training_data(
    use_case: UseCaseName,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Version of the model whose training data to fetch. Default: fetch the inputs of `dvc repro`.",
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Folder to write the training data of --model to.")
    ] = None,
) -> TrainingDataAnswer:
    """Fetch exactly the data that a model was trained on, or the inputs of `dvc repro`."""
    from pipelines.authoring import catalog
    from pipelines.cli.errors import CommandError

    ws, versions = catalog.open_workspace(use_case), catalog.open_dvc_versions()
    if model:
        if not folder:
            raise CommandError("--model needs a target folder. Add --to FOLDER.")
        files = [str(file) for file in versions.restore(ws.models.folder(model), folder)]
        return TrainingDataAnswer(model=model, files=files, text="\n".join(files))
    pointers = [pointer for pointer in versions.fetch_pointers() if pointer.startswith(f"data/recipe/{use_case}/")]
    if not pointers:
        raise CommandError(
            f"The DVC remote has no recipe of {use_case}. The asset champion publishes one if the home is the project's"
            " folder, which has dvc.yaml. To fetch what a model was trained on, add --model VERSION --to FOLDER."
        )
    versions.pull(pointers)
    stages = f"train@{use_case} evaluate@{use_case}"
    text = f"Fetched the inputs of the DVC recipe. Next: dvc repro {stages}"
    return TrainingDataAnswer(model=None, files=pointers, text=text)
