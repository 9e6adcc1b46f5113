"""Paths in an object store, `s3://bucket/prefix`: what of a folder's the lake needs, so that it may lie in either.

A PUT is whole or not at all, and what a listing shows is there: no temporary names. An object store has no locks;
writers are kept apart by PostgreSQL's advisory ones, which end with their session, or, where all is on one machine, by
a file's. What opens the store (keys, endpoint) comes from the environment, as for extracts.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

SIDE_BY_SIDE = 32  # objects asked for at once


@dataclass(frozen=True)
class Stat:
    """What a store says of an object. What has one tag holds the same bytes."""

    st_size: int
    st_mtime: float
    tag: str


@dataclass(frozen=True)
class Remote:
    """An object, or what the names of several begin with.

    `locks`: SQLAlchemy URL of the PostgreSQL that keeps writers on several machines apart.
    """

    url: str
    locks: str = field(default="", repr=False, compare=False)  # it may hold a password

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str | PurePosixPath) -> Remote:
        return replace(self, url=f"{self.url}/{name}")

    @property
    def _path(self) -> PurePosixPath:
        return PurePosixPath(self.url.partition("://")[2])

    @property
    def name(self) -> str:
        """Its last part."""
        return self._path.name

    @property
    def parent(self) -> Remote:
        """All but its last part."""
        return replace(self, url=self.url.rpartition("/")[0])

    def with_name(self, name: str) -> Remote:
        """Beside it, under another name."""
        return self.parent / name

    def with_suffix(self, suffix: str) -> Remote:
        """Under another ending."""
        return self.with_name(self._path.with_suffix(suffix).name)

    def relative_to(self, other: Remote) -> PurePosixPath:
        """The path below another. Raises ValueError where it isn't below."""
        return self._path.relative_to(other._path)

    @property
    def _files(self) -> Any:
        import fsspec

        return fsspec.core.url_to_fs(self.url)[0]

    def exists(self) -> bool:
        """Whether there is such an object, or one below."""
        self._files.invalidate_cache()
        return bool(self._files.exists(str(self._path)))

    def stat(self) -> Stat:
        """What the store says of it. Raises FileNotFoundError."""
        self._files.invalidate_cache()
        return _stat(self._files.info(str(self._path)))

    def read_bytes(self) -> bytes:
        """The object's bytes. Raises FileNotFoundError."""
        return bytes(self._files.cat_file(str(self._path)))

    def write(self, data: bytes) -> None:
        """Puts the object there whole, in place of what was."""
        self._files.pipe_file(str(self._path), data)

    def unlink(self, missing_ok: bool = False) -> None:
        """Takes the object away; a store doesn't tell whether it was there."""
        self._files.rm_file(str(self._path))

    def listed(self, start: str = "", deep: bool = False) -> dict[str, Stat]:
        """The objects below whose names begin with `start`, by their path below, in order."""
        self._files.invalidate_cache()
        top = f"{self._path}/"
        found = self._files.find(str(self._path), prefix=start, detail=True)
        names = {path.removeprefix(top): about for path, about in found.items() if path.startswith(top)}
        return {n: _stat(about) for n, about in sorted(names.items()) if deep or "/" not in n}

    def glob(self, pattern: str) -> list[Remote]:
        """The objects below that match."""
        deep = "/" in pattern
        return [self / n for n in self.listed(deep=deep) if PurePosixPath(n).match(pattern)]

    def contents(self, names: list[str]) -> dict[str, bytes]:
        """The bytes of objects below, by name, several asked for at once; those that are gone left out."""
        found: dict[str, bytes] = {}
        for i in range(0, len(names), SIDE_BY_SIDE):
            some = {f"{self._path}/{n}": n for n in names[i : i + SIDE_BY_SIDE]}
            for path, data in self._files.cat(list(some), on_error="return").items():
                if isinstance(data, Exception) and not isinstance(data, FileNotFoundError):
                    raise data
                if not isinstance(data, Exception):
                    found[some[path]] = data
        return found

    def current(self, ending: str, names: list[str] | None = None) -> dict[str, bytes]:
        """The objects below with an ending, of these names or all: one listing, and those that are new are read."""
        start = os.path.commonprefix(names) if names else ""  # noqa: RUF071
        there = {n: s.tag for n, s in self.listed(start).items() if n.endswith(ending)}
        wanted = there.keys() if names is None else there.keys() & set(names)
        held = {n: data for n in wanted for tag, data in [_read.get(f"{self}/{n}", ("", b""))] if tag == there[n]}
        new = self.contents(sorted(wanted - held.keys()))
        _read.update({f"{self}/{n}": (there[n], data) for n, data in new.items()})
        return held | new

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Waits until no other process, on any machine, is between these lines with this path."""
        if not self.locks:
            with (Path(tempfile.gettempdir()) / f"sixtyforty-{_number(self.url)}.lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
            return
        import sqlalchemy as sa

        engine = sa.create_engine(self.locks, poolclass=sa.NullPool)
        with engine.connect() as connection, connection.begin():  # the lock ends with the transaction
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_number(self.url))))
            yield


Where = Path | Remote
_read: dict[str, tuple[str, bytes]] = {}  # what `current` has read, by URL, with its tag


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _stat(about: dict[str, Any]) -> Stat:
    changed = about.get("LastModified") or about.get("created")
    tag = f"{about.get('ETag')} {changed}"
    return Stat(int(about["size"] or 0), changed.timestamp() if changed else 0.0, tag)


def located(text: str, locks: str = "") -> Where:
    """A folder's path, or a URL's."""
    return Remote(text.rstrip("/"), locks) if "://" in text else Path(text).resolve()
