"""Give each of many use cases in a copy of the project some days of accounts, by links to the files of a built home."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bench.project_copy import edit_declaration, use_cases_folder
from bench.use_case import USE_CASE
from sixtyforty.storage.files import create_folder

DAYS = 10  # newest days that each use case gets
# The datasets that the portfolio reads.
DATASETS = ("decisions/replay", "kpi/replay", "acceptance/replay", "outcomes", "features")
KINDS_BY_SOURCE = ("validated", "rejected")


def add_accounts(built: Path, folder: Path) -> None:
    """Give every use case of a copy of the project the newest days of a built home, and its models and ledgers.

    built: the home in which the benchmark's use case has run. folder: the copy of the project, see `copy_project`. The
    rows of the ledgers name the benchmark's use case, so each copy declares it as its former name.
    """
    data = folder / "home" / "data"
    for declaration in sorted(use_cases_folder(folder).glob("*/defs.yaml")):
        name = declaration.parent.name
        edit_declaration(folder, name, f"name: {name}\n", f"name: {name}\n  former_names: [{USE_CASE}]\n")
        shutil.copytree(built / "data" / "models" / USE_CASE, data / "models" / name, copy_function=os.link)
        lake, copied = built / "data" / "lake" / USE_CASE, data / "lake" / name
        shutil.copytree(lake / "declarations", copied / "declarations", copy_function=os.link)
        _link_newest_days(lake, copied)
    shutil.copy(built / "data" / "home_format.json", data / "home_format.json")


def _link_newest_days(lake: Path, target: Path) -> None:
    by_source = [folder.relative_to(lake).as_posix() for kind in KINDS_BY_SOURCE for folder in lake.glob(f"{kind}/*")]
    for dataset in [*DATASETS, *by_source]:
        create_folder(target / dataset)
        days = sorted(file.stem for file in (lake / dataset).glob("*.json"))[-DAYS:]
        for file in [file for day in days for file in (lake / dataset).glob(f"{day}*")]:
            os.link(file, target / dataset / file.name)
