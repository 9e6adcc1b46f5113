"""Import the project's definitions in the fork server. A fork server can only import modules, such as this one."""

from pipelines.runtime.warm_code import warm_code

warm_code.import_definitions()
