"""A location that a URL names, such as `s3://bucket/prefix` or `sftp://…`, on any file system that fsspec supports.

Access keys and endpoints come from environment variables. They are either those of the file system's own tools, such as
`AWS_ACCESS_KEY_ID` and `AWS_ENDPOINT_URL`, or fsspec's `FSSPEC_<PROTOCOL>_<SETTING>`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from sixtyforty.ingest.bucket_listing import BucketListing
from sixtyforty.ingest.connection_guard import refuse_machine_addresses
from sixtyforty.ingest.listing_memory import ListedFile, ListingState, RecallState
from sixtyforty.ingest.locations import file_changed
from sixtyforty.spec.confinement import FILE_SERVERS

# The names that different file systems use for the time, the content tag and the size of a file.
TIME_FIELDS = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")
TAG_FIELDS = ("ETag", "etag", "md5Hash", "content_md5")
SIZE_FIELDS = ("size", "Size")
ENDING_LENGTH = 20  # characters at the end of a name that the name of a local copy keeps


class Bucket:
    """A location that a URL names, such as a bucket of an object store.

    An object store lists an object only when its upload is complete.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        is_server = url.partition("://")[0] in FILE_SERVERS
        self._guard: Callable[[], AbstractContextManager[None]] = refuse_machine_addresses if is_server else nullcontext
        with self._guard():
            self.files, self.root = fsspec.core.url_to_fs(url)
        self.root = self.root.rstrip("/")
        self._other_names: dict[str, list[str]] = {}

    def list_files(self, pattern: str, recall: RecallState | None = None) -> list[ListedFile]:
        """List the files that match a glob. See Location.

        A bucket on S3 is listed in parts if `recall` returns a state with `is_partial` set.
        """
        with self._guard():
            return self._list_files(pattern, recall)

    def _list_files(self, pattern: str, recall: RecallState | None) -> list[ListedFile]:
        self.files.invalidate_cache()  # a cached listing would hide new files
        is_s3 = "s3" in self.files.protocol
        files = self._list_pages(pattern, recall() if recall else ListingState()) if is_s3 else self._glob(pattern)
        if not files:  # the location is empty, or it doesn't exist
            top = self.root if self.root.startswith("/") else self.root.split("/")[0]
            if not self.files.exists(top):
                raise FileNotFoundError(f"the bucket or folder {top} doesn't exist; create it")
        return files

    def take_other_names(self, pattern: str) -> list[str]:
        """Return those file names in the last full listing for a glob that don't match it. They are returned only once.

        On S3, these are names that start like the glob. Other file systems list only the names that match.
        """
        return self._other_names.pop(pattern, [])

    def _glob(self, pattern: str) -> list[ListedFile]:
        descriptions = self.files.glob(f"{self.root}/{pattern}", detail=True)
        return [
            self._listed_file(path, description)
            for path, description in descriptions.items()
            if description["type"] == "file"
        ]

    def _list_pages(self, pattern: str, state: ListingState) -> list[ListedFile]:
        from fsspec.utils import glob_translate

        bucket, _, glob = f"{self.root}/{pattern}".partition("/")
        matches = re.compile(glob_translate(glob)).match
        known = {f"{self.root}/{file.name}".removeprefix(f"{bucket}/"): file for file in state.files.values()}
        last_key = max(state.last_key, *known, "")
        # The first scan lists only keys after the last known key. The next scan starts the first pass.
        position = last_key if state.position is None else state.position

        def parse_object(description: Mapping[str, Any]) -> ListedFile:
            return self._listed_file(f"{bucket}/{description['Key']}", description)

        listing = BucketListing(bucket, glob, parse_object, known, position, last_key)
        objects = listing.refresh(partial(self.files.call_s3, "list_objects_v2"), state.is_partial)
        files = [file for key, file in objects.items() if matches(key)]
        if not state.is_partial:
            self._other_names[pattern] = [file.name for key, file in objects.items() if not matches(key)]
        state.files = {file.name: file for file in files}
        state.position, state.last_key = listing.position, listing.last_key
        return files

    def _listed_file(self, path: str, description: Mapping[str, Any]) -> ListedFile:
        """Create the ListedFile of a file from the description that the bucket's file system gives.

        path: the full path of the file. description: the fields that describe the file; their names depend on the file
        system.
        """
        tag = str(_first_field(description, TAG_FIELDS) or "").strip('"')
        size = int(_first_field(description, SIZE_FIELDS) or 0)
        mtime_ns = _nanoseconds(_first_field(description, TIME_FIELDS))
        return ListedFile(path.removeprefix(f"{self.root}/"), size, mtime_ns, tag)

    @contextmanager
    def open_file(self, file: ListedFile, scratch: Path) -> Iterator[Path]:
        """Copy a file into the folder `scratch`, and return the path of the copy. See Location."""
        # The ending of the name may show the format of the file.
        copy = scratch / f"extract-{secrets.token_hex(8)}-{PurePosixPath(file.name).name[-ENDING_LENGTH:]}"
        try:
            with self._guard():
                self._download(file, copy)
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def _download(self, file: ListedFile, copy: Path) -> None:
        path = f"{self.root}/{file.name}"
        try:
            self.files.get_file(path, str(copy))
            self.files.invalidate_cache()
            current = self._listed_file(path, self.files.info(path))
        except OSError:
            raise
        except Exception as error:  # each file system raises its own errors
            raise OSError(f"the file can't be downloaded ({type(error).__name__}: {error})") from error
        # A tag is more reliable than a time. Some stores round the time of a single file to seconds, but not in a
        # listing.
        is_same = current.tag == file.tag if file.tag else current.mtime_ns == file.mtime_ns
        if not (copy.stat().st_size == current.size == file.size and is_same):
            raise file_changed(file)


def _first_field(description: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((description[name] for name in names if description.get(name)), None)


def _nanoseconds(time: Any) -> int:
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    if isinstance(time, datetime):
        time = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return round(float(time) * 1e6) * 1000 if time else 0  # a float holds a current time only to the microsecond
