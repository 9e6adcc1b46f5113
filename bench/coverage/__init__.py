"""Measure how often the project's intervals and verdicts are right, on simulated worlds whose truth is known.

`python -m bench.coverage.run` runs all scenarios. It writes `figures.json` and docs/concepts/interval-coverage.md.
`methods.py` is the table of the functions under test. It is the only module here that calls the project's statistics.
Start reading there, then at `scenarios.py`.
"""
