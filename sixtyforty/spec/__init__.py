"""What a use case declares: pydantic models of `defs.yaml`, checks between their parts, and errors with file and line.

It is the lowest layer and imports no other package of the project. Start with `use_case.py` and its base class in
`decision_chain.py`, which holds what decisions depend on: their fields are the parts of a declaration, one module each.
`cross_checks.py` compares the parts with each other, and `field_messages.py` writes the messages about a wrong field.
"""
