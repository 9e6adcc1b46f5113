"""One more day as a Kedro project. Kedro finds the package by its name in `pyproject.toml`."""
