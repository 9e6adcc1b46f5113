"""Find the sources that can't be read now, and the links at their locations that scans refuse.

A sensor reports an unreachable source in its tick only. These functions let the watch and `sixtyforty doctor` look
themselves, without changing the arrivals ledger.
"""

from __future__ import annotations

from sixtyforty.ingest.landed_files import glob_of, is_unfinished
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.listing_memory import ListedFile, ListingMemory
from sixtyforty.ingest.locations import Folder, UnreachableSourceError


def find_unreachable(landing: LandingZone) -> dict[str, str]:
    """Return why the location or the database of a source can't be read, by source. Readable sources are left out.

    A query without a declared database reads the project's own database, so it is left out, too.
    """
    problems = {}
    for name, source in landing.use_case.sources.items():
        try:
            if source.query and source.database:
                landing.queries[name].probe(landing.database_url(name))
            _list_files(landing, name)
        except UnreachableSourceError as error:
            problems[name] = str(error)
    return problems


def find_refused_links(landing: LandingZone) -> dict[str, dict[str, str]]:
    """Return the links that scans refuse, each with the problem as a clause, by source and file name.

    Scans read the other files. Sources without such links and unreachable sources are left out.
    """
    refused = {}
    for name in landing.use_case.sources.keys() - find_unreachable(landing).keys():
        location = landing.location(name)
        if isinstance(location, Folder):
            links = location.list_refused_links(glob_of(name, landing.use_case.sources[name]))
            refused[name] = {file: problem for file, problem in links.items() if not is_unfinished(file)}
    return {name: links for name, links in refused.items() if links}


def _list_files(landing: LandingZone, source: str) -> list[ListedFile]:
    """List a source's files. Of a big bucket, list one part, as a sensor does."""
    present = (arrival.listed_file for arrival in landing.known(source) if arrival.is_present)
    file = landing.lake.root / "arrivals" / f"{source}.listing.json"
    return landing.list_files(source, ListingMemory(file, present, is_partial=True))
