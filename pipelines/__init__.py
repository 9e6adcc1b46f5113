"""When and from what the chain is built: definitions, component, profiles, the command line."""
