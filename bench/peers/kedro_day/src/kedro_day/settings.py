"""The settings of the Kedro project: all defaults."""
