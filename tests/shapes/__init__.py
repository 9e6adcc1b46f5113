"""Tiny use cases of every shape a declaration can have, each through the whole chain."""
