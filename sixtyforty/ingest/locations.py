"""Where extracts land: a folder, or any location that fsspec knows (`s3://bucket/prefix`, `sftp://…`, `memory://…`).

Left alone, as still being written: names that start with a dot or end in `.part` or `.tmp`; where the source says
`done`, files without a `<name>.done` beside them; files changed less than `settle_seconds` ago; and files whose size,
time or tag changed while they were read. The convention for senders is thus: write `x.csv.part`, rename to `x.csv`.
Object stores show objects whole. What a location needs to be opened (keys, endpoint) comes from the environment, as
its own tools read it: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, or fsspec's `FSSPEC_<PROTOCOL>_<SETTING>`.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

from sixtyforty.ingest.bucket_listing import Round
from sixtyforty.spec.sources import Source
from sixtyforty.storage.object_store import Remote, Where

UNFINISHED = (".part", ".tmp")
TIMES = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")  # as the file systems call it
TAGS = ("ETag", "etag", "md5Hash", "content_md5")
Known = Callable[[], "Iterable[Seen]"]


class Unreachable(ValueError):
    """A source's location or database that can't be read: which, why, and what to do about it."""


class Unsettled(OSError):
    """A file that changed while it was read: its next scan takes it."""


@dataclass(frozen=True)
class Seen:
    """A file as listed: `size` in bytes, `mtime_ns` since 1970 (0: unknown), `tag` what its store says of its content.

    What is equal in all of these holds the same bytes.
    """

    name: str
    size: int
    mtime_ns: int
    tag: str = ""


class Place(Protocol):
    """A location of extracts; names are paths below it."""

    def list(self, pattern: str, known: Known | None = None) -> list[Seen]:
        """The files that match a glob. Given what is known of them, some of a big bucket may be as they were before.

        Raises whatever its file system does.
        """

    def read(self, seen: Seen) -> bytes:
        """A file's bytes. Raises Unsettled when it isn't the one that was listed, FileNotFoundError when gone."""


@dataclass(frozen=True)
class Folder:
    """A folder of this machine. `required`: it must be there; else a missing one is empty."""

    root: Path
    required: bool = False

    def list(self, pattern: str, known: Known | None = None) -> list[Seen]:
        """See Place."""
        if self.required and not self.root.is_dir():
            raise FileNotFoundError("no such folder")
        found = []
        for name, path in self._matching(pattern):
            with suppress(FileNotFoundError):  # archived since the folder was listed
                status = path.stat()
                if stat.S_ISREG(status.st_mode):
                    found.append(Seen(name, status.st_size, status.st_mtime_ns))
        return found

    def _matching(self, pattern: str) -> Iterator[tuple[str, Path | os.DirEntry[str]]]:
        if "/" in pattern or "**" in pattern:
            yield from ((path.relative_to(self.root).as_posix(), path) for path in self.root.glob(pattern))
        elif self.root.is_dir():  # one flat folder, as most are, with a third of the work
            wanted = re.compile(fnmatch.translate(pattern)).match
            with os.scandir(self.root) as entries:
                yield from ((e.name, e) for e in entries if wanted(e.name))

    def read(self, seen: Seen) -> bytes:
        """See Place."""
        path = self.root / seen.name
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise PermissionError("a link to a file outside the folder: put the file itself there")
        data, status = path.read_bytes(), path.stat()
        if (len(data), status.st_size, status.st_mtime_ns) != (seen.size, seen.size, seen.mtime_ns):
            raise Unsettled("it changed while it was read")
        return data


class Bucket:
    """A location by URL, on any of fsspec's file systems."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.files, self.root = fsspec.core.url_to_fs(url)
        self.root = self.root.rstrip("/")

    def list(self, pattern: str, known: Known | None = None) -> list[Seen]:
        """See Place."""
        self.files.invalidate_cache()  # a remembered listing would hide what landed since
        found = [*(self._paged(pattern, known) if "s3" in self.files.protocol else self._globbed(pattern))]
        if not found:  # nothing there yet, or no such place
            top = self.root if self.root.startswith("/") else self.root.split("/")[0]
            if not self.files.exists(top):
                raise FileNotFoundError(f"there is no {top}")
        return found

    def _globbed(self, pattern: str) -> Iterable[Seen]:
        found = self.files.glob(f"{self.root}/{pattern}", detail=True)
        return [self._seen(path, about) for path, about in found.items() if about["type"] == "file"]

    def _paged(self, pattern: str, known: Known | None) -> Iterable[Seen]:
        from fsspec.utils import glob_translate

        bucket, _, glob = f"{self.root}/{pattern}".partition("/")
        wanted = re.compile(glob_translate(glob)).match
        going = _round(bucket, glob)
        if known and not going.seen:
            going.seen = {f"{self.root}/{f.name}".removeprefix(f"{bucket}/"): _told(f) for f in known()}
            going.upto = max(going.seen, default="")  # the first look is for what is new: the next begins the round
        objects = going.look(partial(self.files.call_s3, "list_objects_v2"), patient=known is not None)
        return [self._seen(f"{bucket}/{key}", about) for key, about in objects.items() if wanted(key)]

    def _seen(self, path: str, about: dict[str, Any]) -> Seen:
        tag = next((str(about[t]).strip('"') for t in TAGS if about.get(t)), "")
        changed = next((about[t] for t in TIMES if about.get(t)), None)
        size = next((about[s] for s in ("size", "Size") if about.get(s)), 0)
        return Seen(path.removeprefix(f"{self.root}/"), int(size), _nanoseconds(changed), tag)

    def read(self, seen: Seen) -> bytes:
        """See Place."""
        path = f"{self.root}/{seen.name}"
        data: bytes = self.files.cat_file(path)
        self.files.invalidate_cache()
        now = self._seen(path, self.files.info(path))
        # a tag says more than the time, which some stores tell by the second here and finer in a listing
        same = now.tag == seen.tag if seen.tag else now.mtime_ns == seen.mtime_ns
        if not (len(data) == now.size == seen.size and same):
            raise Unsettled("it changed while it was read")
        return data


@lru_cache(maxsize=256)
def _round(bucket: str, glob: str) -> Round:
    """Where this process is in a bucket."""
    return Round(bucket, glob)


def _told(seen: Seen) -> dict[str, Any]:
    """What its file system would have said."""
    return {"Size": seen.size, "mtime": seen.mtime_ns / 1e9, "ETag": seen.tag}


def _nanoseconds(changed: Any) -> int:
    if isinstance(changed, str):
        changed = datetime.fromisoformat(changed)
    if isinstance(changed, datetime):
        changed = (changed if changed.tzinfo else changed.replace(tzinfo=UTC)).timestamp()
    return round(float(changed) * 1e6) * 1000 if changed else 0  # a float holds microseconds of today


def place(source: Source, folder: Where) -> Place:
    """Where a source's extracts land: its location, or `folder`."""
    if source.location is None:
        return Bucket(str(folder)) if isinstance(folder, Remote) else Folder(folder)
    if source.location.startswith("/"):
        return Folder(Path(source.location), required=True)
    if source.location.startswith("file://"):
        return Folder(Path(source.location.removeprefix("file://")), required=True)
    return Bucket(source.location)


def landed(
    source: Source, where: Place, pattern: str, known: Known | None = None, now: float | None = None
) -> list[Seen]:
    """The source's finished files by time of landing, then name: as a reader on the spot would have met them.

    `known`: those that were, see Place. `now` (seconds since 1970) tells which have settled; the present by
    default. Raises what the file system does.
    """
    found = [f for f in where.list(pattern, known) if not _unfinished(f.name)]
    if source.requires_done_file:
        marked = known and (lambda: (Seen(f"{f.name}.done", 0, 0) for f in known()))
        done = {f.name for f in where.list(f"{pattern}.done", marked)}
        found = [f for f in found if not f.name.endswith(".done") and f"{f.name}.done" in done]
    if source.settle_seconds:
        latest = ((time.time() if now is None else now) - source.settle_seconds) * 1e9
        found = [f for f in found if f.mtime_ns <= latest]
    return sorted(found, key=lambda f: (f.mtime_ns, f.name))


def _unfinished(name: str) -> bool:
    own = name.rsplit("/", 1)[-1]
    return own.startswith(".") or own.endswith(UNFINISHED)
