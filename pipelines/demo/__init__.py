"""The demo: a year of data for each use case of this repository, and a drill with killed processes and bad extracts.

This package may import `pipelines.operations` and all packages below it; only the command line imports this package.
Start reading in `registry.py`, which lists the demo data, then `year.py`, which runs the chain on the demo data.
"""
