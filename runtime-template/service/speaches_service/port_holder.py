"""Which process listens on a port. Linux tells (proc(5)); elsewhere the answer is None."""

import os
import socket
import sys
from typing import NamedTuple

_LISTENING = "0A"  # TCP_LISTEN in the `st` column of /proc/net/tcp


class PortHolder(NamedTuple):
    """The process that holds a port."""

    pid: int
    name: str
    """As `ps` shows it: at most 15 characters."""


def find_port_holder(address: str, port: int) -> PortHolder | None:
    """Find the process whose listening socket is in the way of `address` and `port`, if this process may see it."""
    inodes = _find_listening_inodes(address, port)
    if not inodes:
        return None
    targets = {f"socket:[{inode}]" for inode in inodes}
    for pid in _list_directory("/proc"):
        if pid.isdigit() and _has_open(pid, targets):
            return PortHolder(int(pid), _name_of(pid))
    return None


def _find_listening_inodes(address: str, port: int) -> set[str]:
    wanted = _pack(address)
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in _read_lines(table)[1:]:
            columns = line.split()
            if len(columns) < 10 or columns[3] != _LISTENING:
                continue
            host, _, local_port = columns[1].partition(":")
            if int(local_port, 16) == port and _collide(wanted, _decode(host)):
                inodes.add(columns[9])
    return inodes


def _pack(address: str) -> bytes:
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    return socket.inet_pton(socket.AF_INET, address)


def _decode(host: str) -> bytes:
    """The kernel prints each 32-bit word of an address as one number in the byte order of the machine."""
    return b"".join(int(host[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(host), 8))


def _collide(one: bytes, other: bytes) -> bool:
    """Whether two addresses are the same or one of them is the wildcard."""
    return one == other or not any(one) or not any(other)


def _has_open(pid: str, targets: set[str]) -> bool:
    directory = f"/proc/{pid}/fd"
    for descriptor in _list_directory(directory):
        try:
            if os.readlink(f"{directory}/{descriptor}") in targets:
                return True
        except OSError:
            continue
    return False


def _name_of(pid: str) -> str:
    lines = _read_lines(f"/proc/{pid}/comm")
    return lines[0].strip() if lines else "unknown"


def _list_directory(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:  # not Linux, not ours, or gone meanwhile
        return []


def _read_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readlines()
    except OSError:
        return []
