"""Addresses of the project's own pages on the port of Dagster's pages, for links in Dagster's metadata.

The addresses have no host, so a link works under every name by which people reach the pages.
`pipelines.operations.project_pages` serves them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

import dagster as dg

from assets.stage import StageTarget

PREFIX = "/sixtyforty"
DESK = f"{PREFIX}/desk"
DATA_DOCS = "data_docs/index.html"


def report_address(use_case: str, file: str) -> str:
    """Return the address of a file in a use case's folder of reports, such as `data_docs/index.html`."""
    return f"{PREFIX}/reports/{quote(use_case)}/{quote(file)}"


def rows_address(use_case: str, dataset: str) -> str:
    """Return the address of the page with a dataset's first rows. dataset: a folder of the lake, as `raw/weather`."""
    return f"{PREFIX}/rows/{quote(use_case)}/{quote(dataset)}"


def report_link(use_case: str, file: str) -> dg.UrlMetadataValue:
    """Return the link to a report, for metadata."""
    return dg.MetadataValue.url(report_address(use_case, file))


def data_docs_link(use_case: str) -> dg.UrlMetadataValue:
    """Return the link to the Data Docs of a use case, for metadata."""
    return report_link(use_case, DATA_DOCS)


def source_links(stage: str) -> Callable[[StageTarget], Mapping[str, str]]:
    """Return the function that gives the links of a stage with one asset per source: its rows, and the Data Docs."""

    def links(target: StageTarget) -> dict[str, str]:
        name = target.use_case.name
        return {
            "first rows": rows_address(name, f"{stage}/{target.source_name}"),
            "Data Docs": report_address(name, DATA_DOCS),
        }

    return links


def rows_links(*datasets: str) -> Callable[[StageTarget], Mapping[str, str]]:
    """Return the function that gives the links to the rows of datasets, such as `decisions/live`."""

    def links(target: StageTarget) -> dict[str, str]:
        return {
            f"first rows ({dataset.replace('/', ', ')})": rows_address(target.use_case.name, dataset)
            for dataset in datasets
        }

    return links


def desk_links(_: StageTarget) -> Mapping[str, str]:
    """Return the link to the desk, the pages of the people who decide."""
    return {"desk": DESK}


def page_links(file: str) -> Callable[[StageTarget], Mapping[str, str]]:
    """Return the function that gives the link to a report, such as `impact.html`."""
    return lambda target: {"page": report_address(target.use_case.name, file)}
