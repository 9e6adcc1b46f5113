"""Create a use case: its declaration, SQL and suites, drafted from its extracts or copied from another use case.

The new use case loads as a draft. TODO marks a field to fill in, CHECK marks a guess to verify.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from expectations import suites
from pipelines.authoring import loader
from pipelines.authoring.drafting import draft_suite, empty_suite
from pipelines.authoring.feeds import ExtractFeed, Query, find_feeds, query_feed
from pipelines.authoring.rendering import Shape, render_files
from sixtyforty.spec.base import NAME
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import SixtyfortyError, closest_match
from sixtyforty.storage.files import write_atomic

EXAMPLE_SOURCE = "orders"  # the source that the template declares for a use case without extracts
OWN_FIELDS = {  # fields that are never copied from another use case
    *("name", "former_names", "title", "owner", "vision", "people")
}
OPTIONAL_FIELDS = {"former_names", "decision_list", "labels"}  # left out if the drafted declaration doesn't have them
DATA_FIELDS = {  # fields that are copied from another use case only if the new use case has no extracts
    "sources",
    "partitions",
    "timezone",
    "decision",
    "decision_list",
    "labels",
    "replay",
    "lookback_partitions",
    "outcome_horizon_partitions",
}


class ScaffoldError(SixtyfortyError):
    """A new use case can't be created, for example because its name is taken. No file was written."""


def create_use_case(
    name: str,
    extracts: str | None = None,
    like: str | None = None,
    folder: Path = loader.FOLDER,
    rules: Path = suites.HERE,
    shape: Shape = "binary",
    query: Query | None = None,
) -> tuple[Draft, list[Path]]:
    """Write the files of a new use case. Return its draft and the paths of the files.

    - `extracts`: a file, a folder or a glob pattern.
    - `like`: a use case whose declaration and SQL are copied. With extracts, the sources come from the extracts.
    - `rules`: the folder for the suites.
    - `query`: a database query whose rows are another source.
    - `shape`: the kind of decision, see `rendering.Shape`. A copy has the shape of the use case that it copies.

    Raises ScaffoldError if the name is invalid or taken, if the use case to copy doesn't exist, or if two sources have
    the same name. Raises UnreadableExtractError if an extract can't be read. After an error, none of the files remains.
    """
    _check_name(name, like, folder, rules)
    feeds = [*(find_feeds(extracts) if extracts else []), *([query_feed(query, os.environ)] if query else [])]
    _check_sources(feeds)
    texts, suite_texts = _draft_texts(name, feeds, like, folder, rules, shape)
    files = {folder / name / file: text for file, text in texts.items()}
    files |= {rules / name / f"{source}.yaml": text for source, text in suite_texts.items()}
    try:
        for path, text in files.items():
            write_atomic(path, text.encode())
        draft = loader.load_declaration(folder / name, rules, sql=True)
    except Exception:  # remove the files, because their folder would block a second attempt under this name
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.rmtree(rules / name, ignore_errors=True)
        raise
    assert isinstance(draft, Draft), "the templates contain TODO fields"
    return draft, list(files)


def _check_name(name: str, like: str | None, folder: Path, rules: Path) -> None:
    if not re.fullmatch(NAME, name):
        raise ScaffoldError(
            f"'{name}' is not a valid use case name. Use lower case letters, digits and _, and start with a letter."
        )
    if (folder / name / "defs.yaml").exists() or (rules / name).exists():
        raise ScaffoldError(f"The use case '{name}' or its suites exist already. Choose another name.")
    names = loader.list_use_cases(folder)
    if like and like not in names:
        meant = closest_match(like, names)
        hint = f"Did you mean '{meant}'?" if meant else f"Declared are: {', '.join(names) or 'none'}."
        raise ScaffoldError(f"There is no use case '{like}' to copy from. {hint}")


def _check_sources(feeds: Sequence[ExtractFeed]) -> None:
    """Raise ScaffoldError if two feeds have the same source name."""
    origins: dict[str, str] = {}
    for feed in feeds:
        origin = "--query" if feed.query else str(feed.location / feed.files)
        if feed.name in origins:
            raise ScaffoldError(
                f"Two sources would have the name '{feed.name}': {origins[feed.name]} and {origin}. Rename the files of"
                " one of them, or create the use case from one and declare the other in its defs.yaml."
            )
        origins[feed.name] = origin


def _draft_texts(
    name: str, feeds: Sequence[ExtractFeed], like: str | None, folder: Path, rules: Path, shape: Shape
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the contents of a new declaration's files by file name, and the contents of its suites by source name."""
    texts = render_files(name, feeds, shape)
    if like:
        texts |= _copied_texts(folder / like, name, texts, has_feeds=bool(feeds))
    if like and not feeds:
        return texts, {path.stem: path.read_text() for path in sorted((rules / like).glob("*.yaml"))}
    suite_texts = {feed.name: draft_suite(feed) for feed in feeds} or {EXAMPLE_SOURCE: empty_suite(EXAMPLE_SOURCE)}
    return texts, suite_texts | {"features": empty_suite("features")}


def _copied_texts(other: Path, name: str, drafted: Mapping[str, str], has_feeds: bool) -> dict[str, str]:
    """Return the declaration and SQL of another use case under the new name, by file name.

    Fields that belong to the new use case, such as its title, come from the drafted declaration.
    """
    drafted_fields = _split_fields(drafted["defs.yaml"])
    own_fields = OWN_FIELDS | DATA_FIELDS if has_feeds else OWN_FIELDS
    fields = [
        drafted_fields.get(field, "" if field in OPTIONAL_FIELDS else text)
        if field in own_fields
        else text.replace(other.name, name)
        for field, text in _split_fields((other / "defs.yaml").read_text()).items()
    ]
    note = f"-- TODO Written for {other.name}. Adapt this SQL to the new sources, then remove this line.\n"
    sql = {
        path.name: (note if has_feeds else "") + path.read_text().replace(other.name, name)
        for path in sorted(other.glob("*.sql"))
    }
    return sql | {"defs.yaml": "".join(fields)}


def _split_fields(text: str) -> dict[str, str]:
    """Return the text of defs.yaml split by field, including comments. Text before the first field has the key ''."""
    texts = {"": ""}
    current = ""
    for line in text.splitlines(keepends=True):
        field = re.match(r"  ([a-z_]+):", line)
        current = field[1] if field else current
        texts[current] = texts.get(current, "") + line
    return texts
