"""The cases, each a module with a `run`, named by what it is about."""
