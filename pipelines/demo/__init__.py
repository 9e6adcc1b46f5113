"""The demo: a year of data for each use case of this repository, and the drill in which things go wrong.

It may import `pipelines.operations` and everything below it; only the command line imports it. Start reading in
`registry.py`, which lists the demo data, then `year.py`, which runs the chain on it.
"""
