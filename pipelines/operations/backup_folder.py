"""The folder of the backups: generations, of which each is complete or doesn't exist.

A generation is a folder that is named after its UTC time, such as `2024-05-01T02-00-00Z`. It holds:
- `home/`: landing zone, models, ledgers, deliveries, reports, DVC's pointers, cache and remote, Dagster's storage;
- `lake/`: the lake, if it is a folder;
- `database.dump`: the database, if it is PostgreSQL (see `postgres_dump.py`);
- `backup.json`: every file's SHA-256.

A new generation is written into a folder with a temporary name, and renamed once it is complete. So a backup that is
interrupted changes no earlier generation, and blocks no later backup. Generations share unchanged files as hard links.
Version 0.2.0 and earlier wrote one backup into the folder itself. Such a backup counts as the oldest generation.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, Field, ValidationError

from pipelines.settings import Profile
from sixtyforty.progress import Work
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.home_format import FORMAT_FILE

MANIFEST = "backup.json"
DUMP = "database.dump"
ROOTS = ("home", "lake")  # the folders of a generation, which are restored into the home and into the lake
GENERATION = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
WRITING, DELETING = ".writing-", ".deleting-"
LOCK = ".backup.lock"
BYTES_PER_FILE = 1 << 16  # opening and closing a file takes as long as reading about so many bytes


class BackupError(SixtyfortyError):
    """A backup cannot be made, verified or restored. The message says why, and what to do next."""


class BackupManifest(BaseModel):
    """The content of `backup.json`, the manifest of a generation."""

    made: str = Field(description="UTC time of the backup.")
    profile: Profile
    files: dict[str, str] = Field(description="SHA-256 of each file, by its path in the generation.")


def prepare_folder(folder: Path) -> None:
    """Create the folder of the backups, readable by its owner only. Raises BackupError if it holds other files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = [path.name for path in folder.iterdir() if not _belongs_to_backups(path.name)]
        if foreign:
            raise BackupError(
                f"{folder} contains files that are not a backup ({foreign[0]}). Choose an empty or new folder."
            )
        folder.chmod(0o700)
    except OSError as error:
        raise BackupError(f"{folder} cannot be used: {error.strerror}. Choose a folder you can write to.") from error


def _belongs_to_backups(name: str) -> bool:
    return name in (*ROOTS, DUMP, MANIFEST, LOCK) or name.startswith((WRITING, DELETING)) or is_generation(name)


def is_generation(name: str) -> bool:
    """Return whether a folder of this name is a generation."""
    return GENERATION.fullmatch(name) is not None


def list_generations(folder: Path) -> list[Path]:
    """Return the complete generations in the folder of the backups, oldest first."""
    try:
        names = sorted(path.name for path in folder.iterdir() if is_generation(path.name))
    except OSError:
        names = []
    return [path for path in (folder, *(folder / name for name in names)) if (path / MANIFEST).is_file()]


def newest_generation(folder: Path) -> Path:
    """Return the newest generation in a folder of backups, or the folder if it is a generation. Raises BackupError."""
    generations = list_generations(folder)
    if not generations:
        raise BackupError(
            f"{folder} has no {MANIFEST}: it is not a backup, or the backup was never finished. Use another backup."
        )
    return generations[-1]


def publish(writing: Path, folder: Path, made: datetime) -> Path:
    """Give a complete generation its name in the folder of the backups, in one step. Return its path."""
    while (generation := folder / f"{made.astimezone(UTC):%Y-%m-%dT%H-%M-%SZ}").exists():
        made += timedelta(seconds=1)
    writing.rename(generation)
    return generation


def remove_old(folder: Path, keep: int) -> None:
    """Remove what interrupted backups left, and all generations except the newest `keep`.

    A generation gets a temporary name before it is removed, so that an interrupted removal leaves no half generation.
    A backup in the folder itself, by an earlier version, is kept.
    """
    for generation in [path for path in list_generations(folder) if path != folder][:-keep]:
        generation.rename(folder / f"{DELETING}{generation.name}")
    for path in [path for path in folder.iterdir() if path.name.startswith((WRITING, DELETING))]:
        shutil.rmtree(path)


def read_manifest(generation: Path) -> BackupManifest:
    """Return the manifest of a generation. Raises BackupError if it is missing, damaged, or names unsafe paths."""
    path = generation / MANIFEST
    try:
        manifest = BackupManifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BackupError(f"{path} is damaged: {error.errors()[0]['msg']}. Use another backup.") from error
    for name in manifest.files:
        if not _is_safe(name):
            raise BackupError(
                f"{path} names the file '{name}', which is outside of the home and the lake. Somebody changed the"
                " backup. Use another one."
            )
    if f"home/data/{FORMAT_FILE}" not in manifest.files:
        raise BackupError(f"The backup in {generation} was made by version 0.1. Restore it with version 0.1.")
    return manifest


def _is_safe(name: str) -> bool:
    """Return whether a path of a manifest stays in the home or the lake, wherever these are.

    Paths that are written in another way than a backup writes them, such as `home//etc`, aren't safe either.
    """
    path = PurePosixPath(name)
    is_below = len(path.parts) > 1 and path.parts[0] in ROOTS and ".." not in path.parts
    return name == DUMP or (is_below and name == path.as_posix())


def list_damages(generation: Path, manifest: BackupManifest, work: Work) -> Iterator[str]:
    """Yield a sentence for each file of a generation that differs from its hash in the manifest, or is missing.

    work: counts the effort of the checked files, see `file_effort`.
    """
    for name, sha in sorted(manifest.files.items()):
        path = generation / name
        effort = file_effort(path)
        if path.is_symlink() or not path.is_file() or file_sha(path) != sha:
            yield f"{path} differs from the file that was backed up."
        work.advance(1, effort)


def file_effort(path: Path) -> int:
    """Return the effort to copy or check a file, compared with others: its bytes and BYTES_PER_FILE."""
    try:
        return path.stat().st_size + BYTES_PER_FILE
    except OSError:  # the file was moved away or is missing
        return BYTES_PER_FILE


def generation_effort(generation: Path, manifest: BackupManifest) -> int:
    """Return the effort of all files of a generation, see `file_effort`."""
    return sum(file_effort(generation / name) for name in manifest.files)


def file_sha(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
