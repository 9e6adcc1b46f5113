"""Importing this module warms up the fork server, which can only be told to import modules."""

from pipelines.runtime.warm_code import warm_code

warm_code.import_definitions()
