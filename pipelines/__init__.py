"""Run the use cases in Dagster, on a schedule or by command. The use cases are declared in `use_cases`.

This package also contains the settings, the operation of the services, and the demo. It may import every other package
except `bench` and `tests`. Start with `definitions.py`, which Dagster loads.
"""
