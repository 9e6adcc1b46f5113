"""Run the project on Dagster: storage, launchers, workers and the console log.

It may import `pipelines.settings` and `sixtyforty`. Start with `storage` and `launcher`, which dagster.yaml names.
Every private name of Dagster is in `dagster_internals`.
"""
