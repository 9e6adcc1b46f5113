"""Run the chain: settings, Dagster definitions, automation, operation, the demo, the command line, the use cases.

It may import every other package except `bench` and `tests`. Start with `definitions.py`, which Dagster loads.
"""
