"""Governance: the suites of rules (YAML, one per source) and how they run on Great Expectations.

This package may import `sixtyforty`. Great Expectations is imported inside functions only, because it takes seconds.
Start reading at `rules` (what a rule is), then `validation` (raw partitions in, verdicts out). `suites` reads the YAML,
`serving_gate` checks features before the model reads them, and `data_docs` writes the pages for people.
"""
