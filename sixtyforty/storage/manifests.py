"""Manifests: each describes one partition, names the file with its rows, and lists the versions it was computed from.

The `version` of a manifest is the hash of everything in it. That includes the hash of the rows, the versions of the
inputs and the code version. Following `inputs` from a decision leads back to the extracts behind it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from sixtyforty.storage.files import access_errors, digest

MANIFESTS_IN_MEMORY = 1 << 15


@dataclass(frozen=True)
class Entry:
    """The manifest of one partition of one dataset.

    - file: the name of the Parquet file with the rows; sha256: the hash of its bytes.
    - rows: the number of rows.
    - inputs: the versions of the inputs, as {dataset: {partition: version}}.
    - code: the code version.
    - facts: anything else that the stage recorded, such as counts and verdicts.
    """

    dataset: str
    partition: str
    file: str
    rows: int
    sha256: str
    inputs: dict[str, dict[str, str]] = field(default_factory=dict)
    code: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def version(self) -> str:
        """The hash of all fields."""
        return digest(self.manifest)

    @property
    def manifest(self) -> dict[str, Any]:
        """The content of the manifest file."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@lru_cache(maxsize=MANIFESTS_IN_MEMORY)
def read_manifest(path: str, *_stamp: int) -> Entry:
    """Read a manifest file. The parsed manifest stays in memory until the file is replaced.

    _stamp: figures of the file that change when it is replaced, such as inode, time and size.
    """
    with access_errors(path):
        content = Path(path).read_bytes()
    return Entry(**json.loads(content))


@lru_cache(maxsize=MANIFESTS_IN_MEMORY)
def parse_manifest(content: bytes) -> Entry:
    """Parse the bytes of a manifest file."""
    return Entry(**json.loads(content))


def versions_by_partition(entries: Mapping[str, Entry]) -> dict[str, str]:
    """Return the version of each partition's manifest, by partition. A manifest stores its inputs in this form."""
    return {partition: entry.version for partition, entry in entries.items()}
