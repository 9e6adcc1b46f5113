"""List the finished extracts at a location: the files to which their senders no longer write.

A scan skips unfinished files, and leaves them for a later scan. Unfinished files are:

- files whose names start with a dot, or end in `.part` or `.tmp`;
- files without a `<name>.done` next to them, if the source requires such a file;
- files that changed less than `settle_seconds` ago, and files that change while they are read.

Senders should write `x.csv.part`, and rename it to `x.csv` when it is complete.
"""

from __future__ import annotations

import fnmatch
import re
import time
import unicodedata
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from sixtyforty.ingest.bucket import Bucket
from sixtyforty.ingest.listing_memory import ListedFile, ListingMemory
from sixtyforty.ingest.locations import Folder, Location, UnreachableSourceError, is_file, is_folder
from sixtyforty.spec.sources import Source
from sixtyforty.storage.object_store import ObjectPath, StoragePath

UNFINISHED_ENDINGS = (".part", ".tmp")
DONE_ENDING = ".done"
SIMILAR_ENDINGS = (".gz", ".zip", ".txt", ".csv")  # endings that programs may add to the name of an extract
FILE_URL = "file://"
CORRECT = "Rename the file, or correct `files`."


def open_location(source: Source, folder: StoragePath) -> Folder | Bucket:
    """Return the location where a source's extracts arrive: the declared location, or `folder` if none is declared."""
    if source.location is None:
        return Bucket(str(folder)) if isinstance(folder, ObjectPath) else Folder(folder)
    path = source.location.removeprefix(FILE_URL)
    return Folder(Path(path), required=True) if path.startswith("/") else Bucket(source.location)


def glob_of(name: str, source: Source) -> str:
    """Return the glob of the files of the source with a name, relative to its location."""
    return source.files or f"{name}/*.csv"


def list_finished_files(
    name: str,
    source: Source,
    location: Location,
    memory: ListingMemory | None = None,
    now: float | None = None,
) -> list[ListedFile]:
    """List a source's finished files, sorted by modification time, then by name.

    name: the name of the source.
    memory: the listing states that earlier scans stored; None: all files are listed.
    now: the time against which `settle_seconds` is checked, in seconds since 1970; None: the current time.
    Raises the errors of the file system.
    """
    pattern = glob_of(name, source)
    listed = location.list_files(pattern, partial(memory.state, pattern) if memory else None)
    files = [file for file in listed if not is_unfinished(file.name)]
    if source.requires_done_file:
        marker_pattern = pattern + DONE_ENDING
        recall = partial(memory.marker_state, marker_pattern, DONE_ENDING) if memory else None
        markers = {file.name for file in location.list_files(marker_pattern, recall)}
        files = [file for file in files if not file.name.endswith(DONE_ENDING) and file.name + DONE_ENDING in markers]
    if source.settle_seconds:
        latest_ns = ((time.time() if now is None else now) - source.settle_seconds) * 1e9
        files = [file for file in files if file.mtime_ns <= latest_ns]
    return sorted(files, key=lambda file: (file.mtime_ns, file.name))


def list_reachable_files(
    name: str, source: Source, location: Location, folder: StoragePath, memory: ListingMemory | None = None
) -> list[ListedFile]:
    """List files as `list_finished_files` does. Raises UnreachableSourceError if the location can't be read.

    folder: the location of sources that declare none.
    """
    try:
        return list_finished_files(name, source, location, memory)
    except Exception as error:  # each file system raises its own errors
        raise UnreachableSourceError(
            f"{name}: the location {source.location or folder} can't be read ({describe_failure(error)})."
            " Check that it exists, and that environment variables hold its access keys and endpoint."
        ) from error


def describe_failure(error: Exception) -> str:
    """Return the kind of an error and the first line of its message."""
    return ": ".join([type(error).__name__, *str(error).splitlines()[:1]])


def find_skip_reason(path: str) -> str | None:
    """Return as a clause why scans skip a file name such as `x.tmp`, whatever glob is declared; None for other names.

    path: the name of the file, with or without folders.
    """
    if is_unfinished(path):
        return "a scan skips names that start with a dot or end in .part or .tmp"
    return None if path == printable_name(path) else "a scan skips names that are not UTF-8"


def printable_name(path: str) -> str:
    r"""Return the name of a file with an escape such as `\udcff` for each byte that is not UTF-8."""
    return path.encode("utf-8", "backslashreplace").decode()


def find_name_problem(source: Source, name: str) -> str | None:
    """Return as a clause why a source's scan would skip a file of this name; None if the scan would read the file.

    name: the name of the file, without folders.
    """
    if reason := find_skip_reason(name):
        return reason
    if source.files and not fnmatch.fnmatchcase(name, PurePosixPath(source.files).name):
        return f"a scan only takes names that match {source.files}"
    return None


def find_skipped_names(location: Folder | Bucket, name: str, sources: Mapping[str, Source]) -> dict[str, str]:
    """Return what a source's scan skips, each with the reason: folders that match the source's glob, and similar files.

    A similar file nearly matches the source's glob, and matches no other glob. name: the name of the source, one of
    `sources`. Raises the file system's errors.
    """
    source = sources[name]
    if not source.files:
        return {}
    others = [other.files for other in sources.values() if other.location == source.location]
    similar = find_similar_files(location, source.files)
    return find_matching_folders(location, source.files) | {
        file: reason
        for file, reason in similar.items()
        if not any(fnmatch.fnmatchcase(file, pattern) for pattern in others if pattern)
    }


def find_similar_files(location: Folder | Bucket, pattern: str) -> dict[str, str]:
    """Return the files whose names nearly match a source's glob, each with the reason why a scan skips it.

    In a bucket, only names are searched that the last listing for the glob contained, because all others would have to
    be listed as well. Raises the file system's errors.
    """
    differences = _similar_patterns(pattern)
    if isinstance(location, Folder):
        globs = [similar for similar, _ in differences] if "/" in pattern or "**" in pattern else ["*"]
        listed = {name for glob in globs for name in location.list_names(glob)}
    else:
        listed = set(location.take_other_names(pattern))
    others = (name for name in listed if not fnmatch.fnmatchcase(name, pattern) and not is_unfinished(name))
    reasons = {name: reason for name in others if (reason := _find_difference(name, pattern, differences))}
    if isinstance(location, Folder):
        reasons = {name: reason for name, reason in reasons.items() if is_file(location.root / name)}
    return {printable_name(name): f"not taken, because {reason}" for name, reason in sorted(reasons.items())}


def find_matching_folders(location: Folder | Bucket, pattern: str) -> dict[str, str]:
    """Return the folders whose names match a source's glob, each with the reason why a scan skips it.

    A bucket has no folders. A glob such as `*` matches any name, so its folders are left out. Raises the file system's
    errors.
    """
    if not isinstance(location, Folder) or not PurePosixPath(pattern).name.strip("*?"):
        return {}
    names = (name for name in location.list_names(pattern) if not is_unfinished(name))
    folders = sorted(name for name in names if is_folder(location.root / name))
    reason = "not taken, because it is a folder. Move its files to the location of the source, or correct `files`."
    return {printable_name(name): reason for name in folders}


def _find_difference(name: str, pattern: str, differences: list[tuple[str, str]]) -> str | None:
    """Return why a name that nearly matches a glob doesn't match it; None if the name is not similar."""
    if reason := next((why for similar, why in differences if fnmatch.fnmatchcase(name, similar)), None):
        return reason
    composed, composed_pattern = (unicodedata.normalize("NFC", text) for text in (name, pattern))
    is_alike = fnmatch.fnmatchcase(composed, composed_pattern)
    return f"its letters look like those of `{pattern}`, but have another encoding. {CORRECT}" if is_alike else None


def _similar_patterns(pattern: str) -> list[tuple[str, str]]:
    """Return variants of a glob, such as one that ends in `.gz`, each with why a scan skips names that match it."""
    any_case = re.sub(r"\[[^]]*\]|[^\W\d_]", lambda part: either_case(part.group()), pattern)
    patterns = [(any_case, f"its name differs from `{pattern}` in upper and lower case. {CORRECT}")]
    if "[" in pattern:
        meaning = f"a bracket in `{pattern}` stands for a set of characters. Write [[] in `files` for a bracket."
        patterns.append((pattern.replace("[", "[[]"), meaning))
    if not pattern.endswith("*"):
        patterns += [(any_case + ending, f"its name ends in {ending}. {CORRECT}") for ending in SIMILAR_ENDINGS]
    return patterns


def either_case(part: str) -> str:
    """Convert one character of a glob to match upper and lower case. A set in brackets stays unchanged."""
    return part if part.startswith("[") or part.lower() == part.upper() else f"[{part.lower()}{part.upper()}]"


def is_unfinished(path: str) -> bool:
    """Return whether a name is hidden or ends like a partly written file, so that no scan takes the file."""
    name = path.rsplit("/", 1)[-1]
    return name.startswith(".") or name.endswith(UNFINISHED_ENDINGS)
