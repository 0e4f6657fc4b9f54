"""Whether a URL is that of a machine of one's own, by what it says: no name is looked up."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

_LOCAL_ENDINGS = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def is_local(url: str) -> bool:
    """Whether the host is a loopback or private address, or a name that only a local network knows.

    A name without a dot is one: `localhost`, or that of a container beside this one.
    """
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_LOCAL_ENDINGS))
    return address.is_loopback or address.is_private or address.is_link_local
