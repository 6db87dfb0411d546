"""The output of a client's script: a line for each step."""

import contextlib
from collections.abc import Iterator


class Steps:
    """Runs steps one after the other; one that fails does not end the others."""

    def __init__(self, client: str) -> None:
        self.client = client

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """A step that ends well unless it raises."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the next step is tried
            text = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"FAILED\t{self.client}\t{name}\t{text[:300]}", flush=True)
        else:
            print(f"ok\t{self.client}\t{name}\t", flush=True)
