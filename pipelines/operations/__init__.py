"""Work of the people who operate an installation: run the chain, start services, watch, examine, back up.

It may import the settings, `authoring`, `runtime` and `automation`, the definitions, and everything below `pipelines`.
The demo and the command line build on it. Start reading in `run.py`.
"""
