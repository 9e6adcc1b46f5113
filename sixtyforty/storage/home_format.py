"""The format of a home's files: a number that tells whether this version of the project can read the files.

The file `data/home_format.json` holds the number. A home of version 0.1 has no such file, and can't be read. It is
recognized by its records of runs. Other files prove nothing, because a new home may have them before its first run. For
example, a restore writes them, people write Dagster's settings, and `dg check defs` creates empty databases and a log.
The steps in `MIGRATIONS` convert a home to a later format.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import access_errors, canonical_json, write_atomic
from sixtyforty.storage.locks import exclusive_lock

HOME_FORMAT = 2  # version 0.1 wrote format 1, without a format file
FORMAT_FILE = "home_format.json"
RUNS_OF_FORMAT_1 = "dagster/storage/history/runs/*.db"  # one database for each run, unless the profile has PostgreSQL
INDEX_OF_RUNS = "index.db"
LOGS_OF_FORMAT_1 = "dagster/storage/*/compute_logs"  # in every profile, but also after `dg launch` in a new home
DEFAULT_RECORDS = "dagster/history"  # Dagster's own place for records: such a `dg launch` has created it

BUILD_AGAIN = "Move or delete the folder `data`, then build the home again, for example with `make demo`."

Migration = Callable[[Path], None]
MIGRATIONS: Mapping[int, Migration] = {}  # maps a format to the function that converts a home to the next format


class HomeFormatError(SixtyfortyError):
    """This version of the project can't read the files of the home."""


def ensure_home_format(
    home: Path, current: int = HOME_FORMAT, migrations: Mapping[int, Migration] = MIGRATIONS
) -> None:
    """Write the format file of a new home, or migrate an existing home to the current format.

    If a migration step fails, the home keeps the format of the last completed step. Raises HomeFormatError if the home
    was written by version 0.1 or by a version after this one, or if a migration step is missing.
    """
    if read_home_format(home) == current:
        return
    with exclusive_lock(home / "data" / ".home-format.lock", "migrate the home"):
        home_format = read_home_format(home)
        if home_format is None:
            _write_format(home, current)
            return
        _check_supported(home, home_format, current)
        for step in range(home_format, current):
            if step not in migrations:
                raise HomeFormatError(
                    f"{home / 'data'} has format {step}, and no migration to format {step + 1} exists. {BUILD_AGAIN}"
                )
            migrations[step](home)
            _write_format(home, step + 1)


def read_home_format(home: Path) -> int | None:
    """Return the format of a home; None if the home is new. Raises HomeFormatError for an unreadable format file."""
    file = home / "data" / FORMAT_FILE
    try:
        with access_errors(file):
            content = file.read_bytes()
        return int(json.loads(content)["format"])
    except FileNotFoundError:
        return 1 if _has_records(home / "data") else None
    except (ValueError, TypeError, KeyError) as error:
        raise HomeFormatError(
            f'{file}: the content is not {{"format": {HOME_FORMAT}}}. Restore the file from a backup.'
        ) from error


def _has_records(data: Path) -> bool:
    """Return whether a home without a format file has records of runs that version 0.1 wrote. data: its folder."""
    if any(path.name != INDEX_OF_RUNS for path in data.glob(RUNS_OF_FORMAT_1)):
        return True
    return not (data / DEFAULT_RECORDS).exists() and any(data.glob(LOGS_OF_FORMAT_1))


def _check_supported(home: Path, home_format: int, current: int) -> None:
    if home_format == 1:
        raise HomeFormatError(
            f"{home / 'data'}: this version of Sixtyforty can't read a home that version 0.1 wrote. {BUILD_AGAIN}"
        )
    if home_format > current:
        raise HomeFormatError(
            f"{home / 'data'} has format {home_format}, but this version of Sixtyforty reads formats up to {current}."
            " Install the version of Sixtyforty that wrote this folder, or set SIXTYFORTY_HOME to another folder."
        )


def _write_format(home: Path, home_format: int) -> None:
    write_atomic(home / "data" / FORMAT_FILE, canonical_json({"format": home_format}).encode())
