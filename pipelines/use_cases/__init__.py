"""The declared use cases, one folder each: `defs.yaml`, its SQL, and a README. Start with `flight_delays`.

The folders hold no Python. `pipelines/authoring/loader.py` reads them, and `sixtyforty new` creates a new one.
"""
