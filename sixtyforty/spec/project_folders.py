"""The folders of the use cases and of their suites: the project's own, or those of a company's Dagster project.

- `SIXTYFORTY_USE_CASES`: the folder that holds one folder for each use case, with its `defs.yaml`.
- `SIXTYFORTY_SUITES`: the folder that holds one folder for each use case, with its suites of rules.

In the wheel, the other packages lie inside `sixtyforty`; see `setup.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

USE_CASES_VARIABLE = "SIXTYFORTY_USE_CASES"
SUITES_VARIABLE = "SIXTYFORTY_SUITES"
_PACKAGE = Path(__file__).parents[1]
IS_WHEEL = (_PACKAGE / "pipelines").is_dir()
PACKAGES_FOLDER = _PACKAGE if IS_WHEEL else _PACKAGE.parent


def use_cases_folder() -> Path:
    """Return the folder of all use cases."""
    return _folder(USE_CASES_VARIABLE, PACKAGES_FOLDER / "pipelines" / "use_cases")


def suites_folder() -> Path:
    """Return the folder of all suites of rules."""
    return _folder(SUITES_VARIABLE, PACKAGES_FOLDER / "expectations")


def _folder(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable) or default).resolve()
