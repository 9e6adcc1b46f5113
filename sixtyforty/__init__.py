"""The domain of Sixtyforty, without Dagster and Great Expectations.

Its packages form layers, and each imports only those below it: `reports`, `lifecycle`, `accounting`, `decisions`, the
module `workspace`, `modeling`, `ingest` and `value`, `storage`, `spec`. Start with `spec/use_case.py` for what a use
case declares, then `workspace.py` for where its data is, then `decisions/deciding.py` for how a decision is made.
"""
