"""Find the missing or damaged file of the lake that made a query fail.

DuckDB's errors name the file, but neither the cause nor the cure, and their texts may hold data of other rows.
"""

from __future__ import annotations

import re
from pathlib import Path

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import file_sha256

# The name of a lake's file ends with the first digits of the hash of its content.
LAKE_FILE = re.compile(r"""["'](/[^"'\n]+\.([0-9a-f]{12})\.parquet)["']""")
CURE = "Put it back from a backup, or materialize the partition again. `sixtyforty verify` names every such file."


class DamagedFileError(SixtyfortyError):
    """A file of the lake is missing, or its content differs from the hash in its name."""


def refuse_damaged_files(error_text: str) -> None:
    """Raise DamagedFileError if the text of a DuckDB error names a file of a lake that is missing or damaged."""
    if problem := describe_damage(error_text):
        raise DamagedFileError(problem)


def describe_damage(error_text: str) -> str | None:
    """Return what is wrong with the file that the text of a DuckDB error names, and the cure; None if nothing is."""
    for path, content_hash in LAKE_FILE.findall(error_text):
        try:
            if not file_sha256(Path(path)).startswith(content_hash):
                return f"{path} is damaged: its content differs from the hash in its name. {CURE}"
        except FileNotFoundError:
            return f"{path} is missing. {CURE}"
    return None
