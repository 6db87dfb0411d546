"""Proxies that a user has chosen in the settings of macOS or Windows instead of in variables.

httpx takes them and ignores the exceptions beside them, so that realtime sessions and the page, which ask this very
service, would ask the proxy for it (encode/httpx#1536).
"""

import importlib
import os
import sys
from collections.abc import Iterable, Mapping

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def export() -> None:
    """Put them into this process's environment, with this machine as an exception."""
    if sys.platform in ("darwin", "win32"):
        from urllib.request import getproxies

        os.environ.update(variables(os.environ, getproxies(), _exceptions()))


def variables(
    environment: Mapping[str, str], proxies: Mapping[str, str], exceptions: Iterable[str] = ()
) -> dict[str, str]:
    """The variables to set; none where the user has variables, or where there is no proxy.

    `proxies` has a URL for a scheme, `exceptions` are hosts and patterns such as `*.local`.
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
    # What `urllib.request.proxy_bypass` reads.
    settings = importlib.import_module("_scproxy")._get_proxy_settings()  # noqa: SLF001
    exceptions: Iterable[str] = settings.get("exceptions", ())
    return exceptions
