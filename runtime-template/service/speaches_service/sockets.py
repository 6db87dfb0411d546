"""Listening sockets, opened before anything heavy is imported.

A taken port is so reported within milliseconds instead of after all imports, and a client that is early waits in the
queue of the socket instead of being refused.
"""

import errno
import os
import socket
from collections.abc import Sequence

from speaches_service.exit_codes import ExitCode, ServiceFailure

BACKLOG = 2048
"""Connections that may wait to be accepted; uvicorn's own default."""

_FREE_PORT_ATTEMPTS = 16


class PortTaken(ServiceFailure):
    """Somebody else listens there."""


def listen(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """Bind and listen on the same TCP port of every address; port 0 picks one that is free on all of them.

    Raises:
        PortTaken: with exit code TEMPORARY, naming the process that holds the port where the system tells.
        ServiceFailure: CANNOT_WORK when an address is none of this machine's.
    """
    for _ in range(_FREE_PORT_ATTEMPTS - 1):
        try:
            return _listen_on_all(addresses, port)
        except PortTaken:
            # The system chose a port that is free on the first address only.
            if port != 0:
                raise
    return _listen_on_all(addresses, port)


def adopt(descriptors: Sequence[int]) -> list[socket.socket]:
    """Take over sockets that listen already: whoever was this process before has opened them.

    Raises:
        ServiceFailure: CANNOT_WORK when one of them is no socket.
    """
    listeners = []
    for descriptor in descriptors:
        try:
            listener = socket.socket(fileno=descriptor)
        except OSError as error:
            raise ServiceFailure(
                ExitCode.CANNOT_WORK, f"file descriptor {descriptor} is no socket: {error.strerror or error}"
            ) from error
        os.set_inheritable(descriptor, False)
        listener.setblocking(False)
        listeners.append(listener)
    return listeners


def port_of(listener: socket.socket) -> int:
    """The TCP port that a socket is bound to."""
    return int(listener.getsockname()[1])


def url_of(address: str, port: int) -> str:
    """The URL under which an address and port are reached."""
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


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
    try:
        resolved = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise ServiceFailure(ExitCode.CANNOT_WORK, f"cannot listen on `{address}`: not an IP address") from error
    family, _, _, _, socket_address = resolved[0]
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:  # a kernel without IPv6
        raise _explain(error, address, port) from error
    try:
        if os.name == "nt":
            # On Windows SO_REUSEADDR would let two services share a port.
            listener.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE"), 1)  # noqa: B009
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(socket_address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _explain(error, address, port) from error
    return listener


def _explain(error: OSError, address: str, port: int) -> ServiceFailure:
    if error.errno == errno.EADDRINUSE or (os.name == "nt" and error.errno == errno.EACCES):
        from speaches_service.port_holder import find_port_holder

        holder = find_port_holder(address, port)
        by = f" by `{holder.name}` (pid {holder.pid})" if holder else ""
        return PortTaken(
            ExitCode.TEMPORARY,
            f"port {port} on {address} is taken{by}",
            "stop what listens there, or choose another port with `--port`",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return ServiceFailure(
            ExitCode.CANNOT_WORK, f"cannot listen on {address}: this machine has no such address (any more)"
        )
    return ServiceFailure(ExitCode.CANNOT_WORK, f"cannot listen on port {port} of {address}: {error.strerror or error}")
