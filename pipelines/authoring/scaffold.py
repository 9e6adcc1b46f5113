"""A use case begun: its declaration, SQL and suites, drafted from a profile of its extracts or from another use case.

What it writes loads as a draft; what is to be filled in says TODO, what is guessed and matters says CHECK.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations import suites
from pipelines.authoring import loader
from pipelines.authoring.drafting import Feed, as_yaml, bare_suite, suite
from pipelines.settings import ROOT
from sixtyforty.ingest.profiling import WORDS, History, Unprofiled, named, of_files
from sixtyforty.spec.base import NAME
from sixtyforty.spec.clock import now
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import near
from sixtyforty.storage.lake import write_atomic

if TYPE_CHECKING:
    from jinja2 import Environment

ENDINGS = ("csv", "csv.gz", "parquet", "pq", "json", "json.gz", "jsonl", "jsonl.gz", "ndjson")
OWN = ("title", "owner", "vision", "people")  # not to be taken from another use case
LOOKBACK = {"hour": 168, "day": 28, "week": 12, "month": 12}  # partitions
OLD = 60  # days after which extracts that end are history, and nothing new lands


class NotBegun(ValueError):
    """A use case that can't be begun as asked, and why."""


def begin(
    name: str,
    extracts: str | None = None,
    like: str | None = None,
    folder: Path = loader.FOLDER,
    rules: Path = suites.HERE,
    recipes: Path = ROOT / "dvc.yaml",
) -> tuple[Draft, list[Path]]:
    """Writes a use case's files and returns it with them. Raises NotBegun, and Unprofiled for unreadable extracts.

    extracts: a file, a folder or a glob. like: a use case whose declaration and SQL it begins with; with extracts, its
    sources are those. recipes: the dvc.yaml that lists the use cases.
    """
    if not re.fullmatch(NAME, name):
        raise NotBegun(f"'{name}' isn't a name: lower case letters, digits and _, a letter first")
    target = folder / name
    if (target / "defs.yaml").exists() or (rules / name).exists():
        raise NotBegun(f"there is a use case '{name}' already, or its suites")
    if like and like not in loader.names(folder):
        meant = near(like, loader.names(folder))
        raise NotBegun(f"there is no use case '{like}' to be like" + (f"; did you mean '{meant}'?" if meant else ""))
    feeds = _feeds(extracts) if extracts else []
    texts = _written(name, feeds)
    if like:
        texts |= _like(folder / like, name, texts, bool(feeds))
    drafted = {f.name: suite(f) for f in feeds} or {"orders": bare_suite("orders")}
    drafted["features"] = bare_suite("features")
    if like and not feeds:
        drafted = {p.stem: p.read_text() for p in sorted((rules / like).glob("*.yaml"))}
    written = {target / file: text for file, text in texts.items()}
    written |= {rules / name / f"{source}.yaml": text for source, text in drafted.items()}
    try:
        for path, text in written.items():
            write_atomic(path, text.encode())
        draft = loader.load(target, rules, sql=True)
    except Exception:  # what doesn't load would only be in the way
        shutil.rmtree(target, ignore_errors=True)
        shutil.rmtree(rules / name, ignore_errors=True)
        raise
    _enlist(recipes, name)
    assert isinstance(draft, Draft), "what is begun has blanks"
    return draft, list(written)


# What there is


def _feeds(extracts: str) -> list[Feed]:
    """The extracts, those of one name but for dates and numbers together."""
    path = Path(extracts).expanduser()
    found = (
        [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else sorted(path.parent.glob(path.name))
    )
    files = [f for f in found if f.is_file() and f.name.lower().endswith(ENDINGS)]
    if not files:
        raise Unprofiled(f"{extracts}: no extracts there (CSV, Parquet or JSON lines, by the ending of their names)")
    groups: dict[str, list[Path]] = {}
    for file in files:
        stem = file.name.split(".")[0]
        groups.setdefault(re.sub(r"[-_ ]?\d[\d_\-T]*Z?$", "", stem) or stem, []).append(file)
    return [_feed(stem, files) for stem, files in groups.items()]


def _feed(stem: str, files: Sequence[Path]) -> Feed:
    name = re.sub(r"\W+", "_", stem).strip("_").lower() or "extracts"
    name = f"{name}_rows" if name in WORDS else name if name[0].isalpha() else f"from_{name}"
    ending = "".join(files[0].suffixes[-2:] if files[0].suffix == ".gz" else files[0].suffixes[-1:])
    pattern = files[0].name if len(files) == 1 else f"{stem}*{ending}"
    return Feed(name, pattern, files[0].resolve().parent, of_files(files))


# What is written


def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader

    found = Environment(  # no page: YAML, SQL and Markdown
        loader=PackageLoader("pipelines.authoring", "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["yaml"] = as_yaml
    return found


def _written(name: str, feeds: Sequence[Feed]) -> dict[str, str]:
    main = max((f for f in feeds if f.history), key=lambda f: f.profile.rows, default=None)
    history = main.history if main else None
    every = history.every if history else "day"
    first, last = (history.first, history.last) if history else (date(2026, 1, 1), date(2026, 1, 31))
    span = (last - first).days + 1
    start = first.replace(day=1) if every == "month" else first
    single = bool(main and history) and _one_each(main, history, span)  # type: ignore[arg-type]
    key = [named(c) for c in main.key] if main else ["id"]
    if single and history:
        key = ["_partition", named(history.column)]
    facts = {
        "name": name,
        "today": now().date(),
        "every": every,
        "sources": [f.plain for f in feeds],
        "key": key,
        "main": _main(main, every, start, last, single) if main else None,
        "start": start,
        "last": last,
        "lookback_partitions": LOOKBACK[every],
        "training_days": min(730, max(60, span // 2)),
        "first": _first_decided(start, span),
    }
    templates = _templates()
    files = ["defs.yaml", "features.sql", "outcomes.sql", "current_process.sql", "README.md"]
    return {f: templates.get_template(f).render(**facts) for f in [*files, *(["units.sql"] if single else [])]}


def _one_each(main: Feed, history: History, span: int) -> bool:
    """Whether a partition has one row, so that the partition itself is what is decided about."""
    few = main.profile.rows <= span / {"day": 1, "week": 7, "month": 28}[history.every] + 1
    return history.most == 1 and few and history.column not in ("starts_at", "decided_at")


def _main(main: Feed, every: str, start: date, last: date, single: bool) -> dict[str, Any]:
    ended = (now().date() - last).days > OLD
    columns = main.profile.columns
    history = main.history
    unit = {"DATE": "local(starts_at)::date", "TIMESTAMP": "starts_at"}.get(history.kind, "_partition") if history else ""
    numbers = {
        re.sub(r"\W+", "_", f"x{c.name}" if c.name[0].isdigit() else c.name).lower(): c.sql
        for c in columns
        if c.numeric
    }
    return {
        "source": main.name,
        "every": every,
        "start": start,
        "end": last if ended else None,
        "single": single,
        "unit": history and named(history.column),
        "unit_key": history and as_yaml(history.column),
        "of_starts": unit,
        "key": [as_yaml(c) for c in main.key],
        "numbers": list(numbers.items())[:8],
        "rest": [named(c.name) for c in columns if c.name not in main.key],
    }


def _first_decided(start: date, span: int) -> date:
    """The first of a month, once two fifths of the history are there to learn from."""
    day = start + timedelta(days=int(span * 0.4))
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _like(other: Path, name: str, texts: Mapping[str, str], feeds: bool) -> dict[str, str]:
    """Another use case's files under the new name: its people and, where there are extracts, its data left out."""
    mine, theirs = _parts(texts["defs.yaml"]), _parts((other / "defs.yaml").read_text())
    new = {
        "name",
        *OWN,
        *(
            ("sources", "partitions", "timezone", "decision", "replay")
            + ("lookback_partitions", "outcome_horizon_partitions")
            if feeds
            else ()
        ),
    }
    kept = {
        part: mine.get(part, text) if part in new else text.replace(other.name, name) for part, text in theirs.items()
    }
    found = {p.name: p.read_text().replace(other.name, name) for p in sorted(other.glob("*.sql"))}
    if feeds:
        found = {
            n: f"-- TODO Made for {other.name}: fit it to the sources here, then take this line out.\n{t}"
            for n, t in found.items()
        }
    return found | {"defs.yaml": "".join(kept.values())}


def _parts(text: str) -> dict[str, str]:
    """A declaration's text, cut at its fields, comments and all; what comes before them is under the empty name."""
    found = {"": ""}
    part = ""
    for line in text.splitlines(keepends=True):
        field = re.match(r"  ([a-z_]+):", line)
        part = field[1] if field else part
        found[part] = found.get(part, "") + line
    return found


def _enlist(recipes: Path, name: str) -> None:
    """Adds the use case to those whose newest model `dvc repro` makes again."""
    if recipes.exists():
        text = re.sub(
            r"foreach: \[(.*)\]", lambda m: f"foreach: [{m[1]}{', ' if m[1] else ''}{name}]", recipes.read_text()
        )
        write_atomic(recipes, text.encode())
