"""Exports the proxies of macOS's or Windows' settings, with their exceptions, as environment variables.

httpx uses these proxies but ignores their exceptions (encode/httpx#1536). So realtime sessions and the page would send
their requests to this service through the proxy.
"""

import importlib
import os
import sys
from collections.abc import Iterable, Mapping

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def export() -> None:
    """Set the variables in this process's environment, with this machine as an exception."""
    if sys.platform in ("darwin", "win32"):
        from urllib.request import getproxies

        os.environ.update(variables(os.environ, getproxies(), _exceptions()))


def variables(
    environment: Mapping[str, str], proxies: Mapping[str, str], exceptions: Iterable[str] = ()
) -> dict[str, str]:
    """The variables to set: none if the user has set one, or if there is no proxy.

    `proxies` maps schemes to URLs; `exceptions` are hosts and patterns such as `*.local`.
    """
    if any(name.lower().endswith("_proxy") for name in environment):
        return {}
    found = {f"{scheme}_proxy": proxies[scheme] for scheme in ("http", "https") if proxies.get(scheme)}
    if found:
        found["no_proxy"] = ",".join([*LOOPBACK, *(host.lstrip("*") for host in exceptions if host.lstrip("*"))])
    return found


def _exceptions() -> Iterable[str]:
    if sys.platform != "darwin":
        return ()
    # `urllib.request.proxy_bypass` reads the same settings.
    settings = importlib.import_module("_scproxy")._get_proxy_settings()  # noqa: SLF001
    exceptions: Iterable[str] = settings.get("exceptions", ())
    return exceptions
