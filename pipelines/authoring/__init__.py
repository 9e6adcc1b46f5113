"""Declarations of use cases: load them, create new ones from extracts, and write their reference page.

This package imports the settings, `expectations` and `sixtyforty`, but not Dagster, so that commands start fast. Start
with `loader.py`, the only module that reads a declaration. `catalog.py` loads a use case by its name, and `scaffold.py`
creates a new use case.
"""
