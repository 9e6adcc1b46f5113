"""Create a use case: its declaration, SQL and suites, drafted from its extracts or copied from another use case.

The new use case loads as a draft. TODO marks what is to be filled in, CHECK marks a guess that matters.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from expectations import suites
from pipelines.authoring import loader
from pipelines.authoring.drafting import draft_suite, empty_suite
from pipelines.authoring.feeds import find_feeds
from pipelines.authoring.rendering import render_files
from pipelines.settings import ROOT
from sixtyforty.spec.base import NAME
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import SixtyfortyError, closest_match
from sixtyforty.storage.files import write_atomic

EXAMPLE_SOURCE = "orders"  # declared by the template if no extracts are given
OWN_FIELDS = {"name", "title", "owner", "vision", "people"}  # not copied from another use case
DATA_FIELDS = {  # not copied either if the new use case has extracts of its own
    "sources",
    "partitions",
    "timezone",
    "decision",
    "replay",
    "lookback_partitions",
    "outcome_horizon_partitions",
}


class ScaffoldError(SixtyfortyError):
    """The use case can't be created."""


def create_use_case(
    name: str,
    extracts: str | None = None,
    like: str | None = None,
    folder: Path = loader.FOLDER,
    rules: Path = suites.HERE,
    recipes: Path = ROOT / "dvc.yaml",
) -> tuple[Draft, list[Path]]:
    """Write a use case's files; return its draft and the files.

    - `extracts`: a file, a folder or a glob.
    - `like`: a use case whose declaration and SQL are copied. With extracts, the sources come from the extracts.
    - `recipes`: the dvc.yaml that lists the use cases.

    Raises ScaffoldError, and UnreadableExtractError for unreadable extracts. It then leaves no file.
    """
    _check_name(name, like, folder, rules)
    texts, suite_texts = _draft_texts(name, extracts, like, folder, rules)
    files = {folder / name / file: text for file, text in texts.items()}
    files |= {rules / name / f"{source}.yaml": text for source, text in suite_texts.items()}
    try:
        for path, text in files.items():
            write_atomic(path, text.encode())
        draft = loader.load_declaration(folder / name, rules, sql=True)
    except Exception:  # remove the files, because a use case that doesn't load would block its name
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.rmtree(rules / name, ignore_errors=True)
        raise
    _add_to_recipes(recipes, name)
    assert isinstance(draft, Draft), "the templates leave blanks"
    return draft, list(files)


def _check_name(name: str, like: str | None, folder: Path, rules: Path) -> None:
    if not re.fullmatch(NAME, name):
        raise ScaffoldError(
            f"'{name}' is not a valid name. Use lower case letters, digits and _, and start with a letter."
        )
    if (folder / name / "defs.yaml").exists() or (rules / name).exists():
        raise ScaffoldError(f"The use case '{name}' or its suites exist already. Choose another name.")
    names = loader.list_use_cases(folder)
    if like and like not in names:
        meant = closest_match(like, names)
        hint = f"Did you mean '{meant}'?" if meant else f"Declared are: {', '.join(names) or 'none'}."
        raise ScaffoldError(f"There is no use case '{like}' to copy from. {hint}")


def _draft_texts(
    name: str, extracts: str | None, like: str | None, folder: Path, rules: Path
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the texts of the declaration's files by file name, and those of the suites by source."""
    feeds = find_feeds(extracts) if extracts else []
    texts = render_files(name, feeds)
    if like:
        texts |= _copied_texts(folder / like, name, texts, has_feeds=bool(feeds))
    if like and not feeds:
        return texts, {path.stem: path.read_text() for path in sorted((rules / like).glob("*.yaml"))}
    suite_texts = {feed.name: draft_suite(feed) for feed in feeds} or {EXAMPLE_SOURCE: empty_suite(EXAMPLE_SOURCE)}
    return texts, suite_texts | {"features": empty_suite("features")}


def _copied_texts(other: Path, name: str, drafted: Mapping[str, str], has_feeds: bool) -> dict[str, str]:
    """Return another use case's declaration and SQL under the new name, with some fields as drafted."""
    drafted_fields = _split_fields(drafted["defs.yaml"])
    own_fields = OWN_FIELDS | DATA_FIELDS if has_feeds else OWN_FIELDS
    fields = [
        drafted_fields.get(field, text) if field in own_fields else text.replace(other.name, name)
        for field, text in _split_fields((other / "defs.yaml").read_text()).items()
    ]
    note = f"-- TODO Written for {other.name}: adapt it to the sources here, then remove this line.\n"
    sql = {
        path.name: (note if has_feeds else "") + path.read_text().replace(other.name, name)
        for path in sorted(other.glob("*.sql"))
    }
    return sql | {"defs.yaml": "".join(fields)}


def _split_fields(text: str) -> dict[str, str]:
    """Return a declaration's text by field, comments included. The text before the first field has an empty name."""
    texts = {"": ""}
    current = ""
    for line in text.splitlines(keepends=True):
        field = re.match(r"  ([a-z_]+):", line)
        current = field[1] if field else current
        texts[current] = texts.get(current, "") + line
    return texts


def _add_to_recipes(recipes: Path, name: str) -> None:
    """Add the use case to the ones whose newest model `dvc repro` trains again."""
    if not recipes.exists():
        return

    def add(match: re.Match[str]) -> str:
        names = [*filter(None, match[1].split(", ")), name]
        return f"foreach: [{', '.join(names)}]"

    write_atomic(recipes, re.sub(r"foreach: \[(.*)\]", add, recipes.read_text()).encode())
