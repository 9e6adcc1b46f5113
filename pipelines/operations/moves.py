"""Shared code of `sixtyforty rename` and `sixtyforty remove`: the project's folders, the checks and the steps.

Both commands write a journal first, then take steps that can each be repeated, then delete the journal. If a command
is killed, the same command finishes the work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from expectations import suites
from pipelines.authoring import loader
from pipelines.settings import Settings, load_settings, prepare_dagster_home
from sixtyforty.spec.errors import SixtyfortyError, closest_match
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.files import write_atomic
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.storage.moving import is_writable
from sixtyforty.storage.unfinished_move import Move, end_move, read_move, write_move
from sixtyforty.workspace import Workspace

LOCK_SECONDS = 5.0  # how long a command waits for another rename or removal
TEXT_FILES = (".yaml", ".sql", ".md", ".py")

Step = tuple[str, Callable[[], object]]  # the name of the step, and the function that does it


class MoveError(SixtyfortyError):
    """A use case can't be renamed or removed now. The message says why, and what to do next."""


@dataclass(frozen=True)
class _NameOnly:
    """Stand-in for a use case that has no declaration yet, or no longer: enough to compute the paths of its data.

    Its first name is unknown, so its ledgers are read without checking which use case they name.
    """

    name: str
    first_name: str = ""


@dataclass(frozen=True)
class Project:
    """The folders of all declarations and suites of rules, and the settings of this home."""

    folder: Path = field(default_factory=lambda: loader.FOLDER)
    rules: Path = field(default_factory=lambda: suites.HERE)
    settings: Settings = field(default_factory=load_settings)

    def list_names(self) -> list[str]:
        """Return the names of all declared use cases."""
        return loader.list_use_cases(self.folder)

    def load_use_case(self, name: str) -> UseCase:
        """Return a declared use case. Raises DeclarationError if its declaration is wrong."""
        return loader.load_declaration(self.folder / name, self.rules)

    def name_workspace(self, name: str) -> Workspace:
        """Return a workspace for the name of a use case, declared or not. Only the workspace's paths may be used."""
        return Workspace(
            cast(UseCase, _NameOnly(name)), self.settings.home, self.settings.database_url, self.settings.lake
        )

    def open_workspace(self, name: str) -> Workspace:
        """Return the workspace of a declared use case. Raises DeclarationError if its declaration is wrong."""
        return Workspace(self.load_use_case(name), self.settings.home, self.settings.database_url, self.settings.lake)

    def require_declared(self, name: str) -> None:
        """Raise MoveError if no declared use case is called `name`. The message suggests the closest name."""
        names = self.list_names()
        if name not in names:
            meant = closest_match(name, names)
            hint = f"Did you mean {meant}?" if meant else f"Declared use cases: {', '.join(names) or 'none'}."
            raise MoveError(f"There is no use case '{name}'. {hint}")

    def require_writable(self) -> None:
        """Raise MoveError if the folders of declarations and suites can't be written."""
        for folder in (self.folder, self.rules):
            if not is_writable(folder):
                raise MoveError(f"{folder} can't be written. Run the command in a checkout that you can write to.")

    def find_mentions(self, name: str) -> list[str]:
        """Return the lines of declarations, SQL and suites that contain the name of a use case, as `file:line`."""
        word, places = re.compile(rf"\b{name}(_decisions|_replay_decisions|_responses)?\b"), []
        files = [file for folder in (self.folder, self.rules) for file in sorted(folder.glob("*/*"))]
        for file in files:
            if file.suffix in TEXT_FILES:
                for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
                    if word.search(line) and "former_names:" not in line:
                        places.append(f"{file}:{number}")
        return places


@contextmanager
def moving(settings: Settings) -> Iterator[Move | None]:
    """Hold the lock of renames and removals in the `with` block. Yield the unfinished rename or removal, if any."""
    lock = settings.home / "data" / ".moving.lock"
    with exclusive_lock(lock, "rename or remove a use case", timeout=LOCK_SECONDS):
        yield read_move(settings.home, settings.lake)


def take_steps(settings: Settings, move: Move, steps: Sequence[Step]) -> None:
    """Write the journal from which a killed rename or removal continues, run all steps, and delete the journal."""
    write_move(settings.home, settings.lake, move)
    for _, work in steps:
        work()
    end_move(settings.home, settings.lake)


def refuse_while_busy() -> None:
    """Raise MoveError if a run is in progress or waits, or if a daemon or the services run.

    Each of these processes uses the old definitions, and would write under the use case's old name.
    """
    prepare_dagster_home(during_move=True)
    import dagster as dg

    from pipelines.automation.housekeeping import fail_dead_runs
    from pipelines.automation.run_requests import UNFINISHED
    from pipelines.operations.supervisor import is_running
    from pipelines.runtime.dagster_internals import are_daemons_live

    if is_running(load_settings()):
        raise MoveError(
            "The services are running, so no use case can be renamed or removed. Stop them first: sixtyforty down"
        )
    with dg.DagsterInstance.get() as instance:
        if are_daemons_live(instance):
            raise MoveError(
                "Dagster's daemon is running, so no use case can be renamed or removed. Stop `sixtyforty ui` first."
            )
        fail_dead_runs(instance)
        runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    if runs:
        run_list = ", ".join(f"{run.job_name} ({run.run_id[:8]}, {run.status.value.lower()})" for run in runs[:5])
        raise MoveError(
            f"A run is in progress: {run_list}. Wait until no run is in progress, or end the runs in Dagster. Then"
            " rename or remove the use case again."
        )


def move_automation(names: Mapping[str, str | None]) -> None:
    """Rename sensors and schedules. names: the new name by old name; None deletes the sensor's or schedule's state."""
    import dagster as dg

    from pipelines.runtime.dagster_internals import rename_automation

    with dg.DagsterInstance.get() as instance:
        rename_automation(instance, names)


def running_automation(names: Collection[str]) -> list[str]:
    """Return which of the sensors and schedules in `names` are switched on, sorted."""
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        return sorted(s.name for s in instance.all_instigator_state() if s.name in names and s.is_running)


def count_run_hours(project: Project, names: Sequence[str]) -> None:
    """Add the hours of runs that ended since the last count to the recorded run hours of some use cases."""
    import dagster as dg

    from assets.resources import ProjectHome
    from assets.run_hours import record_run_hours

    settings = project.settings
    home = ProjectHome(settings.home, settings.database_url, settings.dvc_remote, settings.lake)
    with dg.DagsterInstance.get() as instance:
        record_run_hours(instance, home, names)


def rename_in_lock_file(home: Path, old: str, new: str | None) -> None:
    """Rename a use case in `dvc.lock`, DVC's record of the stages that `dvc repro` ran.

    new: the new name; None deletes the use case's stages from the file.
    """
    file = home / "dvc.lock"
    if not file.exists():
        return
    text = file.read_text()
    if new is None:
        updated = re.sub(rf"^  \w+@{old}:\n(?:    .*\n|\n)*", "", text, flags=re.MULTILINE)
        updated = re.sub(r"^stages:\n(?!  )", "stages: {}\n", updated, flags=re.MULTILINE)
    else:
        updated = re.sub(rf"(?<=@){old}(?=:)|(?<=data/recipe/){old}(?=[/\s])", new, text)
    if updated != text:
        write_atomic(file, updated.encode())
