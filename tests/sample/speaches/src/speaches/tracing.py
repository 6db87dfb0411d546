"""Durations of calls, logged. Upstream's module of this name exports them through OpenTelemetry."""

from collections.abc import Callable, Generator
import functools
import logging
import time

logger = logging.getLogger(__name__)


def traced[**P, T]() -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Log how long each call of a function takes."""

    def decorator(func: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(func)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            start = time.perf_counter()
            try:
                return func(*args, **kwargs)
            finally:
                logger.debug(f"{func.__qualname__} took {time.perf_counter() - start:.3f} s")

        return wrapper

    return decorator


def traced_generator[**P, T]() -> Callable[[Callable[P, Generator[T]]], Callable[P, Generator[T]]]:
    """Log how long a generator lives, its consumer's time included."""

    def decorator(func: Callable[P, Generator[T]]) -> Callable[P, Generator[T]]:
        @functools.wraps(func)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> Generator[T]:
            start = time.perf_counter()
            try:
                yield from func(*args, **kwargs)
            finally:
                logger.debug(f"{func.__qualname__} lived {time.perf_counter() - start:.3f} s")

        return wrapper

    return decorator
