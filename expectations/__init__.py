"""Governance: the suites of rules (one YAML file per source), and the code that runs them with Great Expectations.

This package may import `sixtyforty`. Great Expectations takes seconds to import, so only functions import it.
Start with `rules` (what a rule is), then read `validation` (which judges raw partitions). `suites` reads the YAML,
`serving_gate` checks features before the model scores them, and `data_docs` writes the pages for people.
"""
