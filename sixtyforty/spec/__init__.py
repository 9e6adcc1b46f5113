"""The declaration of a use case: the pydantic models of `defs.yaml`, checks, and errors with file and line.

This is the lowest layer: it imports no other package of the project. Start reading at `use_case.py`, then read its base
class in `decision_chain.py`, which holds the fields that decisions depend on. Most of these fields have a module of
their own. `cross_checks.py` compares fields with each other. `field_messages.py` writes the messages about wrong
fields.
"""
