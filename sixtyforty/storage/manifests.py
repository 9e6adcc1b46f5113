"""Manifests: what one partition of a dataset is, where its rows are, and which versions it was made from.

The `version` of a manifest is the hash of its content, its inputs' versions and its code. Following `inputs` from a
decision leads to the extracts that it came from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from sixtyforty.storage.files import digest

MANIFESTS_IN_MEMORY = 1 << 15


@dataclass(frozen=True)
class Entry:
    """One partition of one dataset, as its manifest describes it.

    `inputs` maps a dataset to {partition: version}. `facts` holds what the stage recorded, such as counts and verdicts.
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
        """Hash of content, inputs, code and facts."""
        return digest(self.manifest)

    @property
    def manifest(self) -> dict[str, Any]:
        """The content of the manifest file."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@lru_cache(maxsize=MANIFESTS_IN_MEMORY)
def read_manifest(path: str, *_stamp: int) -> Entry:
    """Read a manifest file. It is parsed once per stamp, which changes when the file is replaced."""
    return Entry(**json.loads(Path(path).read_bytes()))


@lru_cache(maxsize=MANIFESTS_IN_MEMORY)
def parse_manifest(content: bytes) -> Entry:
    """Parse the bytes of a manifest."""
    return Entry(**json.loads(content))


def versions_by_partition(entries: Mapping[str, Entry]) -> dict[str, str]:
    """Return the version of each partition, in the form in which a manifest names its inputs."""
    return {partition: entry.version for partition, entry in entries.items()}
