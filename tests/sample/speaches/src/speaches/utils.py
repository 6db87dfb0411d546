"""Bridges between asynchronous and plain code."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator


def async_to_sync_generator[T](async_gen: AsyncGenerator[T]) -> Generator[T]:
    """Iterate an asynchronous generator from a thread that runs no event loop."""
    loop = asyncio.new_event_loop()
    try:
        while True:
            try:
                item = loop.run_until_complete(anext(async_gen))
            except StopAsyncIteration:
                return
            yield item
    finally:
        # What nobody reads any more may be closed in a thread that runs a loop of its own.
        with contextlib.suppress(RuntimeError):
            loop.run_until_complete(async_gen.aclose())
            loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
