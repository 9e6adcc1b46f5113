"""The work of a new day as a Kedro project. Kedro finds the package by its name in `pyproject.toml`."""
