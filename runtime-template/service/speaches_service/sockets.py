"""Opens or adopts the listening sockets before the heavy imports.

On Unix, the launcher opens the sockets and passes their descriptors. Windows has no `exec` that keeps descriptors, so
there the service opens the sockets.
"""

import errno
import os
import socket
from collections.abc import Sequence

from speaches_service.exit_codes import ExitCode, ServiceFailure

BACKLOG = 2048
"""uvicorn's own default."""

_FREE_PORT_ATTEMPTS = 16


class PortTaken(ServiceFailure):
    """Another process listens on the port."""


def adopt(descriptors: Sequence[int]) -> list[socket.socket]:
    """Adopt sockets that the launcher has opened.

    Raises:
        ServiceFailure: INTERNAL if a descriptor is not a socket.
    """
    listeners: list[socket.socket] = []
    try:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
            listener = socket.socket(fileno=descriptor)
            listener.setblocking(False)
            listeners.append(listener)
    except OSError as error:
        raise ServiceFailure(
            ExitCode.INTERNAL, f"the launcher handed over an invalid socket: {error.strerror or error}"
        ) from error
    return listeners


def listen(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """Listen on the same TCP port of every address; port 0 chooses one that is free on all of them.

    Raises:
        PortTaken: with exit code TEMPORARY.
        ServiceFailure: CANNOT_WORK if an address does not belong to this machine.
    """
    for _ in range(_FREE_PORT_ATTEMPTS - 1):
        try:
            return _listen_on_all(addresses, port)
        except PortTaken:
            # The system chose a port that is free only on the first address.
            if port != 0:
                raise
    return _listen_on_all(addresses, port)


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def url_of(address: str, port: int) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def connect_address(address: str) -> str:
    """The address to connect to for a server that listens on `address`, which may be a wildcard."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - nothing binds to it here


def _listen_on_all(addresses: Sequence[str], port: int) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    try:
        for address in addresses:
            listeners.append(_listen_on(address, port))
            port = port_of(listeners[0])
    except ServiceFailure:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _listen_on(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:  # a system without IPv6
        raise _listen_failure(error, address, port) from error
    try:
        if os.name == "nt":
            # On Windows SO_REUSEADDR would let two services share a port.
            listener.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE"), 1)  # noqa: B009
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _listen_failure(error, address, port) from error
    return listener


def _listen_failure(error: OSError, address: str, port: int) -> ServiceFailure:
    if error.errno == errno.EADDRINUSE or (os.name == "nt" and error.errno == errno.EACCES):
        return PortTaken(
            ExitCode.TEMPORARY,
            f"port {port} on {address} is taken",
            "stop the program that listens there, or choose another port with `--port`",
        )
    return ServiceFailure(ExitCode.CANNOT_WORK, f"cannot listen on port {port} of {address}: {error.strerror or error}")
