"""The domain code of Sixtyforty in plain Python. It imports neither Dagster nor Great Expectations.

The packages form layers, and each package imports only packages of lower layers. From top to bottom: `reports`,
`lifecycle`, `accounting`, `decisions`, the module `workspace`, `modeling`, `ingest` and `value`, `storage`, `spec`.
Start reading at `spec/use_case.py` (what a use case declares). Then read `workspace.py` (where its data is) and
`decisions/deciding.py` (how a decision is made).
"""

import zoneinfo

# Python takes the rules of time zones from the package tzdata, not from the machine, which may have older rules.
zoneinfo.reset_tzpath(to=())
zoneinfo.ZoneInfo.clear_cache()
