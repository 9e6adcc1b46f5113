"""The `sixtyforty` command line: one function for each command, which returns a typed answer.

This package may import every other package, and no other package imports it. Start reading in `app.py` (how the command
starts and ends), then `commands.py` (how a function becomes a command). The other modules hold the commands, grouped as
in the help.
"""
