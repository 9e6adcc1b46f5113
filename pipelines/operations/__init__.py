"""Operate an installation: run the chain, start services, watch for problems, examine the installation, back up.

It may import the settings, `authoring`, `runtime` and `automation`, the definitions, and everything below `pipelines`.
The demo and the command line build on it. Start reading in `run.py`.
"""
