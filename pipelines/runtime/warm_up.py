"""Import the project's definitions in the fork server.

A fork server can't call functions before it forks. It can only import modules. So this module loads the definitions
when it is imported.
"""

from pipelines.runtime.warm_code import warm_code

warm_code.import_definitions()
