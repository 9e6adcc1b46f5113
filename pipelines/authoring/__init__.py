"""Declarations of use cases: load them, create new ones from extracts, and write their reference page.

It imports the settings, `expectations` and `sixtyforty`, but not Dagster, so that commands start fast. Start with
`loader.py`, the only module that reads a declaration. `catalog.py` gives commands a use case by name, and
`scaffold.py` writes a new one.
"""
