"""Refuse connections of file servers to link-local addresses and to the metadata services of clouds.

A declaration names a host, and the host's owner decides to which address the name leads, also later, and where the
server redirects. So the address is checked when a connection is made, by Python's audit hook `socket.connect`. Names
that a proxy resolves, and libraries that connect without Python's sockets, such as HDFS's, aren't covered.
"""

from __future__ import annotations

import errno
import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from sixtyforty.spec.confinement import is_machine_host

# A context variable reaches the tasks that fsspec starts in its own thread, but no other use of that thread. A bucket
# on S3 may ask the metadata service for its keys at the same time.
_IS_GUARDED = ContextVar("is_guarded", default=False)


@contextmanager
def refuse_machine_addresses() -> Iterator[None]:
    """In this block, raise PermissionError for a connection to an address that gives out secrets of the machine."""
    _install()
    token = _IS_GUARDED.set(True)
    try:
        yield
    finally:
        _IS_GUARDED.reset(token)


@cache
def _install() -> None:
    """Install the audit hook, which stays for the life of the process."""
    sys.addaudithook(_check_event)


def _check_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect" or not _IS_GUARDED.get():
        return
    address = arguments[1]
    if not isinstance(address, tuple):  # a socket of this machine's file system
        return
    host = f"{address[0]}".partition("%")[0]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        text = f"the connection to {host} was refused, because the name wasn't resolved first; write the address"
        raise PermissionError(errno.EACCES, text) from None
    if is_machine_host(host):
        raise PermissionError(
            errno.EACCES,
            f"the connection to {host} was refused: it is a link-local address or the metadata service of a cloud; name"
            " the server of the extracts",
        )
