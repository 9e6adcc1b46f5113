"""Paths in an object store, `s3://bucket/prefix`, with the methods of `pathlib.Path` that the lake needs.

A PUT request replaces an object completely or not at all, and a listing shows only complete objects. So no temporary
names are needed. Object stores have no locks: see `sixtyforty.storage.locks`. The access keys and the endpoint come
from the same environment variables as those for extracts (see `sixtyforty.ingest.bucket`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.bounded_cache import BoundedCache

PARALLEL_REQUESTS = 32
READ_CACHE_BYTES = 1 << 27  # objects of at most 128 MiB together stay in memory


class ObjectStoreError(SixtyfortyError, OSError):
    """An object store can't be reached, or refuses access. A missing object raises FileNotFoundError instead."""


@contextmanager
def _store_errors(url: str) -> Iterator[None]:
    """Raise ObjectStoreError, with the URL in its message, for each error in the block except FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # each file system raises its own errors
        raise _store_error(url, error) from error


def _store_error(url: str, error: Exception) -> ObjectStoreError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return ObjectStoreError(
        f"{url}: the object store can't be used ({reason})."
        " Check that the bucket exists, and that environment variables hold its access keys and endpoint."
    )


@dataclass(frozen=True)
class ObjectStat:
    """Size (bytes), modification time (seconds since 1970) and tag of an object.

    Two objects with the same tag hold the same bytes.
    """

    st_size: int
    st_mtime: float
    tag: str


@dataclass(frozen=True)
class ObjectPath:
    """The path of one object, or a prefix that several objects share, like the path of a folder.

    Its methods raise ObjectStoreError if the store can't be reached or refuses access.

    lock_database_url: SQLAlchemy URL of a PostgreSQL database whose advisory locks keep writers on several machines
    apart. Empty: all writers are on one machine.
    """

    url: str
    lock_database_url: str = field(default="", repr=False, compare=False)  # hidden: a URL may hold a password

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str | PurePosixPath) -> ObjectPath:
        return replace(self, url=f"{self.url}/{name}")

    @property
    def _path(self) -> PurePosixPath:
        return PurePosixPath(self.url.partition("://")[2])

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.name

    @property
    def parent(self) -> ObjectPath:
        """This path without its last part."""
        return replace(self, url=self.url.rpartition("/")[0])

    def with_name(self, name: str) -> ObjectPath:
        """Return the path with `name` in the place of its last part."""
        return self.parent / name

    def with_suffix(self, suffix: str) -> ObjectPath:
        """Return the path with another file extension, such as `.json`."""
        return self.with_name(self._path.with_suffix(suffix).name)

    def relative_to(self, other: ObjectPath) -> PurePosixPath:
        """Return this path relative to the path `other`. Raises ValueError if this path isn't below `other`."""
        return self._path.relative_to(other._path)

    @property
    def _file_system(self) -> Any:
        import fsspec

        return fsspec.core.url_to_fs(self.url)[0]

    def exists(self) -> bool:
        """Return whether this object exists, or any object below this path."""
        with _store_errors(self.url):
            self._file_system.invalidate_cache()
            return bool(self._file_system.exists(str(self._path)))

    def stat(self) -> ObjectStat:
        """Return size, modification time and tag of the object. Raises FileNotFoundError."""
        with _store_errors(self.url):
            self._file_system.invalidate_cache()
            info = self._file_system.info(str(self._path))
        return _object_stat(info)

    def read_bytes(self) -> bytes:
        """Return the object's bytes. Raises FileNotFoundError."""
        with _store_errors(self.url):
            return bytes(self._file_system.cat_file(str(self._path)))

    def write_bytes(self, content: bytes) -> None:
        """Create the object with this content, or replace it. Raises ObjectStoreError if the bucket is missing."""
        try:
            with _store_errors(self.url):
                self._file_system.pipe_file(str(self._path), content)
        except FileNotFoundError as error:  # the bucket is missing
            raise _store_error(self.url, error) from error

    def upload(self, file: Path) -> None:
        """Create the object with a local file's bytes, or replace it. The file is not read into memory as a whole.

        Raises ObjectStoreError if the bucket is missing.
        """
        try:
            with _store_errors(self.url):
                self._file_system.put_file(str(file), str(self._path))
        except FileNotFoundError as error:  # the bucket is missing
            raise _store_error(self.url, error) from error

    def download(self, files: Mapping[str, Path]) -> None:
        """Write objects below this path to local files, in parallel. Raises FileNotFoundError if an object is missing.

        files: the local file of each object, by the object's path relative to this path.
        """
        remote = [f"{self._path}/{name}" for name in files]
        with _store_errors(self.url):
            self._file_system.get(remote, [str(file) for file in files.values()])

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the object. A missing object raises no error, because object stores don't report it."""
        with _store_errors(self.url):
            self._file_system.rm_file(str(self._path))

    def list_objects(self, start: str = "", recursive: bool = False) -> dict[str, ObjectStat]:
        """Return the objects below this path as {relative path: ObjectStat}, sorted.

        start: return only objects whose relative path starts with this text.
        recursive: also return objects whose relative path contains a slash.
        """
        prefix = f"{self._path}/"
        with _store_errors(self.url):
            self._file_system.invalidate_cache()
            listing = self._file_system.find(str(self._path), prefix=start, detail=True)
        below = {path.removeprefix(prefix): info for path, info in listing.items() if path.startswith(prefix)}
        return {name: _object_stat(info) for name, info in sorted(below.items()) if recursive or "/" not in name}

    def glob(self, pattern: str) -> list[ObjectPath]:
        """Return the paths of the objects below this path that match a glob pattern."""
        names = self.list_objects(recursive="/" in pattern)
        return [self / name for name in names if PurePosixPath(name).match(pattern)]

    def read_many(self, names: list[str]) -> dict[str, bytes]:
        """Read several objects below this path in parallel, and return their bytes by name.

        names: the paths of the objects, relative to this path. Objects that don't exist are left out.
        """
        contents: dict[str, bytes] = {}
        for start in range(0, len(names), PARALLEL_REQUESTS):
            batch = {f"{self._path}/{name}": name for name in names[start : start + PARALLEL_REQUESTS]}
            with _store_errors(self.url):
                answers = self._file_system.cat(list(batch), on_error="return")
            for path, content in answers.items():
                if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                    raise _store_error(self.url, content) from content
                if not isinstance(content, Exception):
                    contents[batch[path]] = content
        return contents

    def read_listed(self, ending: str, names: list[str] | None = None) -> dict[str, bytes]:
        """Return the bytes of the objects below this path whose names have a certain ending, by name.

        names: return only these objects; None: all objects. One request lists the objects. Objects that this process
        has read before are read again only if they changed.
        """
        start = os.path.commonprefix(names) if names else ""  # noqa: RUF071
        tags = {name: stat.tag for name, stat in self.list_objects(start).items() if name.endswith(ending)}
        selected = tags.keys() if names is None else tags.keys() & set(names)
        in_memory = {name: _READ_CACHE.get((f"{self}/{name}", tags[name])) for name in selected}
        cached = {name: content for name, content in in_memory.items() if content is not None}
        read = self.read_many(sorted(selected - cached.keys()))
        for name, content in read.items():
            _READ_CACHE.put((f"{self}/{name}", tags[name]), content)
        return cached | read


StoragePath = Path | ObjectPath
# The keys are the URL and the tag of an object.
_READ_CACHE: BoundedCache[tuple[str, str], bytes] = BoundedCache(READ_CACHE_BYTES, weigh=len)


def _object_stat(info: dict[str, Any]) -> ObjectStat:
    modified = info.get("LastModified") or info.get("created")
    tag = f"{info.get('ETag')} {modified}"
    return ObjectStat(int(info["size"] or 0), modified.timestamp() if modified else 0.0, tag)


def parse_storage_path(text: str, lock_database_url: str = "") -> StoragePath:
    """Return the path that a text names: an ObjectPath for a URL, otherwise the absolute path of a folder."""
    return ObjectPath(text.rstrip("/"), lock_database_url) if "://" in text else Path(text).resolve()
