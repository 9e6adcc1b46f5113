"""Governance: the suites (YAML, one a source) and how they run on Great Expectations."""
