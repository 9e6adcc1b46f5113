"""Versions: what every model learned from, remembered by DVC. The one place that knows DVC.

The repository is initialised without SCM: pointers (`.dvc` files, `dvc.lock`) change with every retrain and would
dirty the checkout, so they travel with the remote, in `sixtyforty/pointers.json`. One writer at a time: DVC's own
lock gives up after three seconds, so ours is taken first.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from sixtyforty.storage.lake import write_atomic
from sixtyforty.storage.object_store import Remote, Where

POINTERS = "sixtyforty/pointers.json"
MANY = 64  # files
HALF = ".writing-*"  # what a killed writer left: no part of any version


class VersionError(ValueError):
    """A version that DVC can't bring back."""


class Versions:
    """The DVC repository of a home; `remote` is a folder or any URL DVC knows.

    DVC tracks nothing outside its repository: of a `lake` elsewhere, in a folder or an object store, what is recorded
    is kept below the home as well.
    """

    def __init__(self, home: Path, remote: str, lake: Where | None = None) -> None:
        self.home, self.remote = home.resolve(), remote
        self.lake = lake.resolve() if isinstance(lake, Path) else lake or self.home / "data" / "lake"

    @contextmanager
    def _repo(self) -> Iterator[Any]:
        os.environ.setdefault("DVC_NO_ANALYTICS", "1")
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "data").mkdir(exist_ok=True)
        with (self.home / "data" / ".dvc-writer.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            from dvc.exceptions import DvcException
            from dvc.repo import Repo

            logging.getLogger("dvc").setLevel(logging.WARNING)  # what it has to say goes to stdout, among our answers
            if not (self.home / ".dvc").exists():
                Repo.init(str(self.home), no_scm=True).close()
            ignored = self.home / ".dvcignore"
            if HALF not in (text := ignored.read_text() if ignored.exists() else ""):
                write_atomic(ignored, f"{text}{HALF}\n".encode())
            repo = Repo(str(self.home))
            try:
                wanted = {
                    "core": {"no_scm": True, "analytics": False, "check_update": False, "remote": "store"},
                    "cache": {"dir": str(self.home / "data" / "dvc" / "cache"), "type": "reflink,copy"},
                    "remote": {"store": {"url": self.remote}},
                }
                with repo.config.edit("local") as config:
                    for section, values in wanted.items():
                        config.setdefault(section, {}).update(values)
                repo.close()
                repo = Repo(str(self.home))
                with chdir(self.home):  # DVC resolves stages against the working directory
                    yield repo
            except DvcException as error:
                raise VersionError(f"DVC: {' '.join(str(error).split())}") from error
            finally:
                repo.close()

    def snapshot(self, folders: Sequence[Where]) -> int:
        """Records folders: only the files that came since the last time; returns how many targets that were."""
        with self._repo() as repo:
            here = [self._here(folder) for folder in folders if folder.exists()]
            targets = [t for folder in here for t in self._new(folder)]
            if targets:
                repo.add([str(t) for t in targets])
            return len(targets)

    def _below(self, folder: Where) -> Path:
        """The folder below the home that stands for one: itself, or where the copy of one in a lake elsewhere lies."""
        if isinstance(folder, Path) and folder.resolve().is_relative_to(self.home):
            return folder.resolve()
        if isinstance(folder, Remote):
            assert isinstance(self.lake, Remote)
            kind, *below = folder.relative_to(self.lake).parts
            where = (kind[1:], *below) if kind.startswith(".") else ("lake", kind, *below)  # see Workspace
            return self.home.joinpath("data", *where)
        assert isinstance(self.lake, Path)
        return self.home / "data" / "lake" / folder.resolve().relative_to(self.lake)

    def _here(self, folder: Where) -> Path:
        """The folder below the home, a copy brought up to date."""
        copy = self._below(folder)
        if isinstance(folder, Remote):
            self._bring(folder, copy)
            return copy
        folder = folder.resolve()
        if folder == copy:
            return copy
        wanted = {p.relative_to(folder): p.stat() for p in folder.rglob("[!.]*") if p.is_file()}
        for name, status in wanted.items():
            there = (copy / name).stat() if (copy / name).exists() else None
            if not there or there.st_size != status.st_size or there.st_mtime_ns < status.st_mtime_ns:
                write_atomic(copy / name, (folder / name).read_bytes())
        for gone in {p.relative_to(copy) for p in copy.rglob("*") if p.is_file()} - wanted.keys():
            (copy / gone).unlink()
        return copy

    def _bring(self, folder: Remote, copy: Path) -> None:
        """Takes from an object store what the copy lacks; a Parquet file of the lake is never another by its name."""
        wanted = [n for n in folder.listed(deep=True) if "/." not in f"/{n}"]
        held = {p.relative_to(copy).as_posix() for p in copy.rglob("*") if p.is_file()}
        new = [n for n in wanted if n not in held or not n.endswith(".parquet")]
        for name, data in folder.contents(new).items():
            if name not in held or (copy / name).read_bytes() != data:
                write_atomic(copy / name, data)
        for gone in held - set(wanted):
            (copy / gone).unlink()

    def _new(self, folder: Path) -> list[Path]:
        pointer = folder.with_name(folder.name + ".dvc")
        if not pointer.exists():
            return [folder]
        since = pointer.stat().st_mtime_ns
        if folder.is_file():
            return [folder] if folder.stat().st_mtime_ns >= since else []
        there = [p for p in folder.rglob("*") if p.is_file() and not p.match(HALF)]
        new = [p for p in there if p.stat().st_mtime_ns >= since]
        gone = self._listed(pointer) - {p.relative_to(folder).as_posix() for p in there}
        # a replaced partition leaves its old file listed: only the folder as a whole can take it off; and one look at
        # a folder is cheaper than very many at its files
        return [folder] if (gone and new) or len(new) > MANY else new

    def _listed(self, pointer: Path) -> set[str]:
        md5 = _outs(pointer.read_text())[0]["md5"]
        listing = self.home / "data" / "dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
        return {e["relpath"] for e in json.loads(listing.read_bytes())} if listing.exists() else set()

    def commit(self, stages: Sequence[str]) -> None:
        """Writes `dvc.lock` for recipe stages whose outputs the chain has just made itself."""
        with self._repo() as repo:
            for stage in stages:
                repo.commit(stage, force=True)

    def publish(self) -> int:
        """Pushes what the remote lacks, then the pointers; returns how many objects went."""
        with self._repo() as repo:
            pushed = int(repo.push())
            files = [*sorted((self.home / "data").rglob("*.dvc")), self.home / "dvc.lock"]
            pointers = {f.relative_to(self.home).as_posix(): f.read_text() for f in files if f.is_file()}
            fs, path = self._remote_file(repo)
            fs.makedirs(fs.parent(path), exist_ok=True)
            with fs.open(path + ".writing", "w") as out:
                out.write(json.dumps(pointers, indent=1, sort_keys=True))
            fs.move(path + ".writing", path)
            return pushed

    def _remote_file(self, repo: Any) -> tuple[Any, str]:
        odb = repo.cloud.get_remote("store").odb
        base = odb.path.removesuffix("files/md5").rstrip("/")
        return odb.fs, f"{base}/{POINTERS}"

    def bring_pointers(self) -> list[str]:
        """A clean clone's first step: takes pointers and `dvc.lock` from the remote. Raises VersionError."""
        with self._repo() as repo:
            fs, path = self._remote_file(repo)
            if not fs.exists(path):
                raise VersionError(f"nothing was published to the remote {self.remote} yet: run the chain first")
            with fs.open(path, "r") as file:
                pointers = json.load(file)
            for name, text in pointers.items():
                if not (self.home / name).exists():
                    write_atomic(self.home / name, text.encode())
            return sorted(pointers)

    def pull(self, pointers: Sequence[str]) -> None:
        """Brings tracked files into the workspace, from the cache or the remote."""
        with self._repo() as repo:
            repo.pull(list(pointers))

    def restore(self, folder: Where, to: Path) -> list[Path]:
        """Copies a tracked folder as it was recorded, from cache or remote, into `to`. Raises VersionError."""
        folder = self._below(folder)
        pointer = folder.with_name(folder.name + ".dvc")
        if not pointer.exists():
            self.bring_pointers()
        if not pointer.exists():
            raise VersionError(f"{folder.name} was never recorded: materialize training_set and challenger")
        here = Path.cwd()
        with self._repo() as repo:
            repo.fetch([str(pointer)])
            cache = repo.cache.local
            listing = json.loads(Path(cache.oid_to_path(_outs(pointer.read_text())[0]["md5"])).read_bytes())
            to = here / to
            to.mkdir(parents=True, exist_ok=True)
            found = []
            for entry in listing:
                target = to / entry["relpath"]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(cache.oid_to_path(entry["md5"]), target)
                found.append(target)
            return sorted(found)

    def status(self) -> dict[str, Any]:
        """What `dvc status` says: empty when everything is as recorded."""
        with self._repo() as repo:
            return dict(repo.status())


def _outs(text: str) -> list[dict[str, Any]]:
    import yaml

    return list(yaml.safe_load(text)["outs"])
