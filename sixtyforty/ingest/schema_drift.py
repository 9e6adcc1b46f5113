"""Compare the columns of a file with a data contract: new, missing, renamed and retyped columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sixtyforty.ingest.exact_casts import require_type
from sixtyforty.ingest.extract import END_MARK, NAMELESS, OTHER_TEXT, OpenedExtract, find_similar_name
from sixtyforty.spec.contract_types import Kind, parse_type
from sixtyforty.spec.sources import Source

# For a kind of column types, the kinds of file types whose values it holds exactly. A kind that is absent holds all.
READABLE_AS: dict[Kind, tuple[Kind, ...]] = {
    "whole": ("whole",),
    "decimal": ("whole", "decimal", "float"),
    "float": ("whole", "decimal", "float"),
    "boolean": ("boolean", "whole"),
    "date": ("date",),
    "timestamp": ("timestamp", "zoned", "date"),
    "zoned": ("timestamp", "zoned", "date"),
}


@dataclass(frozen=True)
class SchemaDrift:
    """How the columns of a file differ from a data contract.

    - new: columns that the contract doesn't name.
    - missing: required columns of the contract that the file lacks, except renamed columns.
    - optional: optional columns of the contract that the file lacks, except renamed columns.
    - renamed: for a missing column, the new column with the most similar name.
    - retyped: for a column of the contract, its declared type and the type of the file's values.
    """

    new: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    optional: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    retyped: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def is_breaking(self) -> bool:
        """Whether the difference makes a run refuse the whole file, or quarantine some of its rows."""
        return bool(self.missing or self.renamed or self.retyped)

    def describe(self) -> list[str]:
        """Return a text for each kind of difference, such as `missing columns: price, quantity`."""
        texts = {
            "new columns, which are not imported": self.new,
            "missing columns": self.missing,
            "missing columns that are optional": self.optional,
            "renamed columns": [f"{old} is now {new}" for old, new in self.renamed.items()],
            "columns of another type": [f"{name} was {old}, is now {new}" for name, (old, new) in self.retyped.items()],
        }
        return [f"{kind}: {', '.join(names)}" for kind, names in texts.items() if names]


def compare_columns(source: Source, names: Sequence[str], misfits: Mapping[str, str]) -> SchemaDrift:
    """Compare the columns of a file with a data contract.

    names: the names of the columns of the file. misfits: the columns of the contract most of whose values don't fit the
    declared type. Each has the type that its values look like.
    """
    known = {name for column in source.columns for name in source.names_of(column)}
    new = [name for name in names if name not in known]
    absent = [column for column in source.columns if set(source.names_of(column)).isdisjoint(names)]
    renamed: dict[str, str] = {}
    for column in absent:
        if similar := find_similar_name(column, [name for name in new if name not in renamed.values()]):
            renamed[column] = similar
    retyped = {
        column: (source.columns[column], kind)
        for column, kind in misfits.items()
        if not is_readable_as(source.columns[column], kind)
    }
    left = [column for column in absent if column not in renamed]
    return SchemaDrift(
        new=[name for name in new if name not in renamed.values()],
        missing=[column for column in left if column not in source.optional_columns],
        optional=[column for column in left if column in source.optional_columns],
        renamed=renamed,
        retyped=retyped,
    )


def describe_header(source: Source, opened: OpenedExtract) -> list[str]:
    """Return texts about how the header of an extract differs from the data contract.

    The texts name renamed and absent columns, and forms such as a delimiter that the source doesn't declare. Types are
    left out, because a header shows none. New columns are left out, because the arrivals ledger lists them.
    """
    special = (END_MARK, NAMELESS, OTHER_TEXT)
    forms = sorted((name, form) for name, form in opened.detected.items() if name not in special)
    texts = [f"{name} {form!r}, not declared" for name, form in forms]
    if OTHER_TEXT in opened.detected:
        texts.append(f"the text looks like {opened.detected[OTHER_TEXT]}, but encoding {source.encoding!r} is declared")
    if NAMELESS in opened.detected:
        texts.append(f"columns without a name are left out: number {opened.detected[NAMELESS]} from the left")
    if END_MARK in opened.detected:
        texts.append("the character Ctrl-Z at the end of the file, which is not a row")
    if opened.undeclared or opened.absent:
        present = [column for column in source.columns if column not in opened.absent]
        drift = compare_columns(source, [*present, *opened.undeclared], {})
        texts = replace(drift, new=[]).describe() + texts
    return texts


def is_readable_as(contract_type: str, file_type: str) -> bool:
    """Return whether a column of the contract can hold values of a file's type exactly, such as DATE in VARCHAR."""
    kinds = READABLE_AS.get(require_type(contract_type).kind)
    present = parse_type(file_type)
    return kinds is None or (present is not None and present.kind in kinds)
