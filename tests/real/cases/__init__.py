"""The cases: each is a module with a `run`, named by its topic."""
