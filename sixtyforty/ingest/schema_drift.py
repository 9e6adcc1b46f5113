"""Compare the columns of a file with a data contract: new, missing, renamed and retyped columns."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sixtyforty.ingest.extract import SIMILAR_NAME, OpenedExtract
from sixtyforty.spec.sources import Source

INTEGERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "INT",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
)
NUMBERS = (*INTEGERS, "DECIMAL", "DOUBLE", "FLOAT")
# The types that a value may look like and still be exact in a column of the contract's type.
READABLE_AS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(INTEGERS, INTEGERS),
    **dict.fromkeys(("DECIMAL", "DOUBLE", "FLOAT"), NUMBERS),
    "BOOLEAN": ("BOOLEAN", *INTEGERS),
    "DATE": ("DATE",),
    "TIMESTAMP": ("TIMESTAMP", "DATE"),
}


@dataclass(frozen=True)
class SchemaDrift:
    """How the columns of a file differ from a data contract.

    - new: columns that the contract doesn't name.
    - missing: columns of the contract that the file lacks; `optional` holds those that it may lack.
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
        """Whether rows or the whole file are refused because of the difference."""
        return bool(self.missing or self.renamed or self.retyped)

    def describe(self) -> list[str]:
        """Return a text for each kind of difference."""
        texts = {
            "new columns, which are not imported": self.new,
            "missing columns": self.missing,
            "missing columns that are optional": self.optional,
            "renamed columns": [f"{old} is now {new}" for old, new in self.renamed.items()],
            "columns of another type": [f"{name} was {old}, is now {new}" for name, (old, new) in self.retyped.items()],
        }
        return [f"{kind}: {', '.join(names)}" for kind, names in texts.items() if names]


def compare_columns(source: Source, types: Mapping[str, str], misfits: Sequence[str]) -> SchemaDrift:
    """Compare the columns of a file with a data contract.

    types: the type that the values of each column of the file look like. misfits: the columns of the contract most of
    whose values don't fit the declared type.
    """
    known = {name for column in source.columns for name in source.names_of(column)}
    new = [name for name in types if name not in known]
    absent = [column for column in source.columns if not set(source.names_of(column)) & types.keys()]
    renamed: dict[str, str] = {}
    for column in absent:
        if similar := _similar_name(column, [name for name in new if name not in renamed.values()]):
            renamed[column] = similar
    retyped = {}
    for column in misfits:
        names = [name for name in source.names_of(column) if name in types]
        if names:
            retyped[column] = (source.columns[column], types[names[0]])
    left = [column for column in absent if column not in renamed]
    return SchemaDrift(
        new=[name for name in new if name not in renamed.values()],
        missing=[column for column in left if column not in source.optional_columns],
        optional=[column for column in left if column in source.optional_columns],
        renamed=renamed,
        retyped=retyped,
    )


def describe_header(source: Source, opened: OpenedExtract) -> list[str]:
    """Return how an extract that was read differs from its data contract, as far as its header shows.

    Each text is about one kind of difference: new, renamed and absent columns, and what the source doesn't declare.
    Types are left out, because a header shows none.
    """
    texts = [f"{name} {form!r}, not declared" for name, form in sorted(opened.detected.items())]
    if opened.undeclared or opened.absent:
        present = [column for column in source.columns if column not in opened.absent]
        texts = compare_columns(source, dict.fromkeys([*present, *opened.undeclared], ""), []).describe() + texts
    return texts


def is_readable_as(contract_type: str, file_type: str) -> bool:
    """Return whether values that look like one type can be exact in a column of another, such as DATE in VARCHAR."""
    declared = READABLE_AS.get(contract_type.upper().partition("(")[0])
    return declared is None or file_type.upper().startswith(declared)


def _similar_name(column: str, names: Sequence[str]) -> str:
    """Return the name that a sender probably gave a column; empty if none is similar."""
    plain = {_plain(name): name for name in names}
    matches = difflib.get_close_matches(_plain(column), plain, 1, SIMILAR_NAME)
    return plain[matches[0]] if matches else ""


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
