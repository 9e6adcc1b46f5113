"""Find the sources that can't be read now, and the links at their locations that lead nowhere.

A sensor reports an unreachable source in its tick only. These functions let the watch and `sixtyforty doctor` look
themselves, without changing the arrivals ledger.
"""

from __future__ import annotations

from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.listing_memory import ListedFile, ListingMemory
from sixtyforty.ingest.locations import UnreachableSourceError


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


def find_broken_links(landing: LandingZone) -> dict[str, list[str]]:
    """Return the names of files that are links to nothing or to themselves, by source. Other sources are left out.

    Scans leave such files out and read the others. Unreachable sources are left out.
    """
    broken = {}
    for name in landing.use_case.sources.keys() - find_unreachable(landing).keys():
        # A folder lists a link that can't be followed without size and time. See `Folder.list_files`.
        names = [file.name for file in _list_files(landing, name) if file == ListedFile(file.name, 0, 0)]
        if names:
            broken[name] = names
    return broken


def _list_files(landing: LandingZone, source: str) -> list[ListedFile]:
    """List a source's files. Of a big bucket, list one part, as a sensor does."""
    present = (arrival.listed_file for arrival in landing.known(source) if arrival.is_present)
    file = landing.lake.root / "arrivals" / f"{source}.listing.json"
    return landing.list_files(source, ListingMemory(file, present, is_partial=True))
