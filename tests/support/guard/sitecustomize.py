"""Watches a Python process from its first line: which hosts it asks for, and which packages it may see.

Python imports a module of this name at start-up when its folder is on PYTHONPATH. Two environment variables, each
optional: GUARD_HOSTS_LOG names a file that collects every foreign host (the request itself fails),
GUARD_BLOCKED_IMPORTS lists top-level modules, separated by commas, that are to look as if they were not installed.
"""

import importlib.machinery
import os
import socket
import sys
import traceback

HOST_EVENTS = ("socket.getaddrinfo", "socket.gethostbyname")
ADDRESS_EVENTS = ("socket.connect", "socket.sendto")
LOCAL = {"", "localhost", "localhost.localdomain", "::", "::1", "0.0.0.0", "<broadcast>", socket.gethostname().lower()}


def is_local(host: object) -> bool:
    """This machine, by name or by number."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    return not isinstance(name, str) or name.lower() in LOCAL or name.startswith(("127.", "::ffff:127."))


def host_of(event: str, args: tuple) -> object:
    """The host that an audit event of the socket module is about; None where there is none, as for a UNIX socket."""
    if event in HOST_EVENTS:
        return args[0]
    address = args[1] if event in ADDRESS_EVENTS else None
    return address[0] if isinstance(address, tuple) and len(address) in (2, 4) else None


def watch_hosts(log: str) -> None:
    """Writes foreign hosts to `log`, with the callers, and refuses the request."""

    def hook(event: str, args: tuple) -> None:
        if not event.startswith("socket.") or is_local(host := host_of(event, args)):
            return
        callers = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_stack(limit=12)[:-1]]
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{host} ({event}) from {' > '.join(callers)}\n")
        raise socket.gaierror(f"this test allows no request to {host}")

    sys.addaudithook(hook)


def hide_modules(names: frozenset) -> None:
    """Makes these top-level modules look not installed, to `import` and to `importlib.util.find_spec` alike."""
    find_spec = importlib.machinery.PathFinder.find_spec

    def find_visible(fullname, path=None, target=None):
        return None if fullname.partition(".")[0] in names else find_spec(fullname, path, target)

    importlib.machinery.PathFinder.find_spec = find_visible


if os.environ.get("GUARD_HOSTS_LOG"):
    watch_hosts(os.environ["GUARD_HOSTS_LOG"])
if os.environ.get("GUARD_BLOCKED_IMPORTS"):
    hide_modules(frozenset(os.environ["GUARD_BLOCKED_IMPORTS"].split(",")))
