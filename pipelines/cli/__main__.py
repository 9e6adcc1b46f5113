"""`python -m pipelines.cli`."""

from pipelines.cli import command

command()
