"""Governance: the suites of rules (one YAML file per source), and the code that runs them with Great Expectations.

This package may import `sixtyforty`. Great Expectations is imported inside functions only, because it takes seconds.
Start with `rules` (what a rule is), then read `validation` (raw partitions in, verdicts out). `suites` reads the YAML,
`serving_gate` checks features before the model reads them, and `data_docs` writes the pages for people.
"""
