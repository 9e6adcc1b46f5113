"""Manifests: a manifest describes one partition, names the file with its rows, and lists the versions of its inputs.

The `version` of a manifest is the hash of everything in it, including the hash of the rows, the versions of the inputs
and the code version. The inputs of a decision's manifest lead back, over several manifests, to the extracts from which
the decision was made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import access_errors, digest

MANIFESTS_IN_MEMORY = 1 << 15


class ManifestError(SixtyfortyError):
    """A manifest file is damaged."""


@dataclass(frozen=True)
class Entry:
    """The manifest of one partition of one dataset.

    - file: the name of the Parquet file with the rows.
    - sha256: the hash of the bytes of the Parquet file.
    - rows: the number of rows.
    - inputs: the versions of the input partitions, as {dataset: {partition: version}}.
    - code: the code version.
    - facts: anything else that the chain stage recorded, such as counts and verdicts.
    - schema: the hash of the column names and types; empty in a manifest of an early version.
    """

    dataset: str
    partition: str
    file: str
    rows: int
    sha256: str
    inputs: dict[str, dict[str, str]] = field(default_factory=dict)
    code: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    schema: str = ""

    @cached_property
    def version(self) -> str:
        """The version of the partition: the hash of all fields of this manifest."""
        return digest(self.manifest)

    @property
    def manifest(self) -> dict[str, Any]:
        """The content of the manifest file, as a dict of JSON types.

        An empty schema is left out. So the hash of a manifest from before schemas were recorded stays the same.
        """
        content = {f.name: getattr(self, f.name) for f in fields(self)}
        return content if self.schema else {name: part for name, part in content.items() if name != "schema"}


@lru_cache(maxsize=MANIFESTS_IN_MEMORY)
def read_manifest(path: str, *_stamp: int) -> Entry:
    """Read a manifest file. The parsed manifest stays in memory until the file is replaced.

    _stamp: the cache key: inode, time and size of the file, which change when the file is replaced.
    Raises ManifestError if the file is damaged.
    """
    with access_errors(path):
        content = Path(path).read_bytes()
    return _parse(content, path)


@lru_cache(maxsize=MANIFESTS_IN_MEMORY)
def parse_manifest(content: bytes, path: str) -> Entry:
    """Return the manifest from the bytes of a manifest file. path: names the file in error messages."""
    return _parse(content, path)


def _parse(content: bytes, path: str) -> Entry:
    try:
        return Entry(**json.loads(content))
    except (ValueError, TypeError) as error:
        raise ManifestError(
            f"{path} is damaged: it holds no manifest of a partition. Restore the file from a backup, then run:"
            " sixtyforty verify"
        ) from error


def versions_by_partition(entries: Mapping[str, Entry]) -> dict[str, str]:
    """Return {partition: version} for some manifests. A manifest stores the versions of its inputs in this form."""
    return {partition: entry.version for partition, entry in entries.items()}


def split_by_rows(entries: Mapping[str, Entry], most_rows: int) -> list[dict[str, Entry]]:
    """Split manifests into groups, in order. A group has at most `most_rows` rows, or is a single partition."""
    portions: list[dict[str, Entry]] = []
    row_count = 0
    for partition, entry in entries.items():
        if not portions or row_count + entry.rows > most_rows:
            portions.append({})
            row_count = 0
        portions[-1][partition] = entry
        row_count += entry.rows
    return portions
