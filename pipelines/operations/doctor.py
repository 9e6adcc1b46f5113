"""`sixtyforty doctor`: check everything that the chain needs, and name a cure for each problem."""

from __future__ import annotations

from pipelines.authoring import catalog
from pipelines.operations.examination import Examination, examine_check
from pipelines.operations.installation_checks import installation_checks, service_checks
from pipelines.operations.use_case_checks import use_case_checks


def examine() -> list[Examination]:
    """Run all checks and return their results: of the installation, then of each use case, then of the services."""
    of_use_cases = [check for name in catalog.list_use_cases() for check in use_case_checks(name)]
    return [examine_check(check) for check in (*installation_checks(), *of_use_cases, *service_checks())]
