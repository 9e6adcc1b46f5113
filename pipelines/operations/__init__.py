"""Operate an installation: run the chain, start services, watch for problems, examine the installation, back up.

This package may import the settings, `authoring`, `runtime` and `automation`, the definitions, and all packages below
`pipelines`. The demo and the command line use this package. Start reading in `run.py`.
"""
