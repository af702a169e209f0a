"""Ports of this machine: a free one, the one used last time, or who holds one that is taken."""

import socket
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a loopback TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def remembered_port(note: Path) -> int:
    """Return the port in a note if it is still free, else a free one, which is then noted.

    Addresses that people have written down elsewhere should survive a restart.
    """
    try:
        port = int(note.read_text())
    except (FileNotFoundError, ValueError):
        port = 0
    if not port or not is_free(port):
        port = free_port()
        note.write_text(f"{port}\n")
    return port


def find_listener(port: int) -> psutil.Process | None:
    """Return who listens on a port; None also when the operating system does not tell us."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        if connection.laddr.port == port and connection.pid:
            return psutil.Process(connection.pid)
    return None


def describe_listener(port: int) -> str:
    """Say for people who listens on a taken port."""
    process = find_listener(port)
    return f"{process.name()} (process {process.pid})" if process else "another program"
