"""Read the labels of codes: the texts that people read instead of them, from the sources that `labels` declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sixtyforty.modeling.declared_sql import label_expressions
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.sql import identifier
from sixtyforty.workspace import Workspace

OPEN_LABELS = 64  # the largest number of label texts, one for each source and expression, that a process keeps


@dataclass(frozen=True)
class ColumnLabels:
    """The labels of a use case. texts: by column, the label of each code."""

    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def text(self, column: str, code: object) -> object:
        """Return the label of a column's code, or the code itself if it has no label."""
        return self.texts.get(column, {}).get(str(code), code)


def read_labels(ws: Workspace) -> ColumnLabels:
    """Return the labels of a use case, from the newest accepted version of each reference source.

    A source that hasn't been accepted yet has no labels, and neither has a code whose text is unknown.
    """
    texts = {}
    for column, expression in zip(ws.use_case.labels, label_expressions(ws.use_case), strict=True):
        texts[column] = _read_texts(ws, ws.use_case.labels[column].source, expression.used_as)
    return ColumnLabels(texts)


def label_entries(ws: Workspace) -> list[Entry]:
    """Return the manifests of the accepted reference sources from which the labels are read."""
    names = dict.fromkeys(label.source for label in ws.use_case.labels.values())
    entries = [ws.lake.entry(f"validated/{name}", SNAPSHOT) for name in names]
    return [entry for entry in entries if entry is not None]


def _read_texts(ws: Workspace, source: str, sql: str) -> Mapping[str, str]:
    """Return the text of each code of a source. sql: the expression of the text."""
    entry = ws.lake.entry(f"validated/{source}", SNAPSHOT)
    if entry is None:
        return {}
    key = (f"{ws.lake.root}", source, entry.version, sql)
    texts = _read.get(key)
    if texts is None:
        (code,) = ws.use_case.sources[source].key
        with ws.lake.open_session(ws.use_case.timezone) as db:
            rows = db.execute(
                f"""select {identifier(code)}::varchar, try({sql}) as _text from {ws.lake.select_rows([entry])}
                where _text is not null"""
            ).fetchall()
        texts = dict(rows)
        _read.put(key, texts)
    return texts


_read: BoundedCache[tuple[str, str, str, str], Mapping[str, str]] = BoundedCache(OPEN_LABELS)
