"""Give a home a long history: copies of its days with earlier dates, written into the lake directly.

Each copied day has a manifest and a file in every dataset. The manifest names the versions of the day's inputs, and the
arrivals ledgers name the day's extracts, so catch-up finds no stale partition. The rows of a copied day have the dates
of the original day. This does not matter, because a new day's lookback does not reach the copied days. Each of their
keys would occur in hundreds of days, so the index of keys gets random hashes instead. Dagster's record of runs doesn't
grow with the history.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.project_copy import copy_project, edit_declaration
from bench.use_case import FIRST_DAY, SHORT_LAST_DAY, SOURCE_STAGES, SOURCES, USE_CASE
from sixtyforty.decisions.delivery import RECEIPT_SUFFIX
from sixtyforty.ingest.key_index import LONGEST_RUN, STATE, KeyIndex
from sixtyforty.spec.partitions import SNAPSHOT, chunks
from sixtyforty.storage.files import canonical_json, digest

ROWS_OF_ARCHIVED_DAY = 900
FIRST_ARCHIVED_SEQUENCE = 1_000_000
DECISIONS = "decisions/replay"
DATASETS_FROM_SOURCES = [*SOURCE_STAGES, "features", "outcomes"]
# Each dataset comes after its inputs.
DATASETS = [*DATASETS_FROM_SOURCES, DECISIONS, "review/replay", "kpi/replay", "kpi_evidence/replay"]
NOT_COPIED = ("dvc", ".dvc", "dagster")
# Placeholders in the text of a manifest.
DAY, INPUTS, EXTRACTS = "@day@", "@inputs@", "@extracts@"

Versions = dict[str, dict[str, str]]  # version by dataset and partition


def create_long_history(home_before: Path, folder: Path, years: int) -> Path:
    """Copy the project and its home, and let the use case's history start `years` earlier. Return the copied home."""
    copy_project(folder)
    start = FIRST_DAY.replace(year=FIRST_DAY.year - years)
    edit_declaration(folder, USE_CASE, f"start: {FIRST_DAY}", f"start: {start}")
    home = folder / "home"
    shutil.copytree(home_before, home, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
    landing = home / "data" / "landing" / USE_CASE
    extracts = landing.resolve()
    landing.unlink()
    shutil.copytree(extracts, landing)
    earlier_days = [FIRST_DAY - timedelta(days=number) for number in range(1, (FIRST_DAY - start).days + 1)]
    _write_history(home / "data" / "lake" / USE_CASE, earlier_days)
    for keys in (home / "data" / "cache" / USE_CASE / "keys").iterdir():
        index_random_keys(keys, [f"{day}" for day in earlier_days])
    return home


def _write_history(lake: Path, earlier_days: Sequence[date]) -> None:
    """Write the copied days dataset by dataset, so that the inputs of each dataset exist before the dataset."""
    versions: Versions = {
        dataset: {file.stem: digest(file.read_bytes()) for file in (lake / dataset).glob("*.json")}
        for dataset in DATASETS
    }
    originals = [file.stem for file in sorted((lake / DECISIONS).glob("*.json")) if file.stem < f"{SHORT_LAST_DAY}"]
    extracts = {
        f"raw/{source}": _archive_extracts(lake / "arrivals" / f"{source}.json", source, earlier_days)
        for source in SOURCES
    }
    # With the earlier days, the first real days have a complete lookback, so they get features and decisions too.
    decided_from = date.fromisoformat(originals[0])
    first_days = [FIRST_DAY + timedelta(days=number) for number in range((decided_from - FIRST_DAY).days)]
    for dataset in DATASETS:
        templates = [DayTemplate(lake / dataset, day) for day in originals]
        has_first_days = dataset in DATASETS_FROM_SOURCES and dataset != "features"
        days = [*earlier_days, *([] if has_first_days else first_days)]
        for number, day in enumerate(days):
            lines = extracts[dataset][f"{day:%Y-%m}"] if dataset in extracts else "[]"
            versions[dataset][f"{day}"] = templates[number % len(templates)].copy_to(day, versions, lines)
    deliveries = lake.parents[1] / "deliveries" / USE_CASE / "replay"
    for day in [*earlier_days, *first_days]:
        receipt = canonical_json({"decisions": versions[DECISIONS][f"{day}"]})
        (deliveries / f".{day}{RECEIPT_SUFFIX}").write_text(receipt)


def index_random_keys(folder: Path, partitions: Sequence[str]) -> None:
    """Add partitions to a source's index of keys, each with as many random hashes as an archived day has rows."""
    import numpy as np

    index = KeyIndex(folder, json.loads((folder / STATE).read_bytes())["identity"])
    random = np.random.default_rng(0)
    for added in chunks(partitions, LONGEST_RUN // ROWS_OF_ARCHIVED_DAY):
        numbers = np.array(list(index.number(added).values()), "uint32").repeat(ROWS_OF_ARCHIVED_DAY)
        hashes = np.sort(random.integers(0, 2**64, len(numbers), "uint64"))
        index.add([(hashes, random.permutation(numbers))], dict.fromkeys(added, ""))


class DayTemplate:
    """A real day of one dataset, to be copied to other dates: its file, and its manifest with placeholders.

    A hundred years take 800,000 files, so the text is prepared once for each real day.
    """

    def __init__(self, dataset: Path, day: str) -> None:
        manifest = json.loads((dataset / f"{day}.json").read_bytes())
        original_day = date.fromisoformat(day)
        # By dataset: the partition, the version and the distance to this day. A reference table has no distance.
        self.inputs = {
            name: [
                (partition, version, None if partition == SNAPSHOT else date.fromisoformat(partition) - original_day)
                for partition, version in partitions.items()
            ]
            for name, partitions in manifest["inputs"].items()
        }
        if "extracts" in manifest["facts"]:
            manifest["facts"]["extracts"] = EXTRACTS
        self.text = canonical_json(manifest | {"inputs": INPUTS}).replace(day, DAY)
        self.folder, self.file = f"{dataset}/", f"{dataset}/{manifest['file']}"
        self.file_suffix = manifest["file"][len(day) :]

    def copy_to(self, day: date, versions: Versions, extracts: str) -> str:
        """Write a copy of this real day under another date, and return the version of the copy.

        versions: the versions of all datasets, for the copy's inputs. extracts: the list of extracts in the manifest,
        as JSON.
        """
        inputs = canonical_json(self._inputs_of(day, versions))
        text = self.text.replace(DAY, f"{day}").replace(f'"{INPUTS}"', inputs)
        manifest = text.replace(f'"{EXTRACTS}"', extracts).encode()
        with open(f"{self.folder}{day}.json", "wb") as file:  # noqa: PTH123 (it takes half the time of Path's)
            file.write(manifest)
        with suppress(FileExistsError):
            os.link(self.file, f"{self.folder}{day}{self.file_suffix}")
        return digest(manifest)

    def _inputs_of(self, day: date, versions: Versions) -> Versions:
        """Return the input days of a copied day, with versions: at the same distances in days as for the real day."""
        inputs: Versions = {}
        for dataset, partitions in self.inputs.items():
            inputs[dataset] = {}
            for partition, version, distance in partitions:
                if distance is None:
                    inputs[dataset][partition] = version
                elif f"{day + distance}" in versions[dataset]:
                    inputs[dataset][f"{day + distance}"] = versions[dataset][f"{day + distance}"]
        return inputs


def _archive_extracts(ledger: Path, source: str, days: Sequence[date]) -> dict[str, str]:
    """Add one extract per month to the list of a source's arrived extracts, as if its file had been archived.

    Return, by month, the list of extracts for the manifests of raw partitions, as JSON.
    """
    arrivals: list[dict[str, Any]] = json.loads(ledger.read_bytes())
    lines: dict[str, str] = {}
    days_by_month: dict[str, list[date]] = {}
    for day in days:
        days_by_month.setdefault(f"{day:%Y-%m}", []).append(day)
    for number, (month, month_days) in enumerate(sorted(days_by_month.items())):
        identity = {
            "name": f"{source}_{month}.csv",
            "sha256": f"{number:064x}",
            "seq": FIRST_ARCHIVED_SEQUENCE + number,
        }
        rows_by_day = dict.fromkeys(map(str, month_days), ROWS_OF_ARCHIVED_DAY)
        arrivals.append(arrivals[0] | identity | {"partitions": rows_by_day, "is_present": False})
        lines[month] = canonical_json([identity | {"rows": ROWS_OF_ARCHIVED_DAY, "refused": 0, "problem": None}])
    ledger.write_text(json.dumps(arrivals))
    return lines
