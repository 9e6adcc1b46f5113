"""The extracts that the manifest of a raw partition lists. The manifest stores them as its fact `extracts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sixtyforty.storage.manifests import Entry


@dataclass(frozen=True, slots=True)
class ListedExtract:
    """An extract of a raw partition, as the partition's manifest lists it.

    - name: the file name.
    - sha256: the hash of the file's bytes.
    - seq: the number of the extract's arrival.
    - rows: the number of the extract's rows in this partition.
    - refused: how many of the extract's rows are counted as quarantined in this partition, because they could not be
      ingested.
    - problem: why the extract was not ingested; None if it was ingested.
    """

    name: str
    sha256: str
    seq: int
    rows: int
    refused: int
    problem: str | None


def listed_extracts(entry: Entry | None) -> list[ListedExtract]:
    """Return the extracts that a raw partition's manifest lists, in order of arrival; none if there is no manifest."""
    return [ListedExtract(**line) for line in entry.facts["extracts"]] if entry else []


def extract_facts(extracts: Sequence[ListedExtract]) -> dict[str, Any]:
    """Return a raw partition's extracts as facts, in the form in which the partition's manifest stores them.

    extracts: the extracts of the partition, in order of arrival.
    """
    return {"extracts": [asdict(extract) for extract in extracts]}
