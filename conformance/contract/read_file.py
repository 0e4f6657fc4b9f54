"""Reads files that were named by a user: what is no file, or has no end, is refused and not waited for."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_file(path: Path, largest: int) -> bytes:
    """The bytes of a file. Raises `OSError` where it can't be read, is a device or a pipe, or has more than `largest` bytes."""
    # A pipe without a writer is opened at once this way, and read never.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:  # noqa: PTH123 - a handle, no path
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("it is not a file")
        if found.st_size > largest:
            raise OSError(f"it is larger than {largest} bytes")
        data = file.read(largest + 1)
    if len(data) > largest:
        raise OSError(f"it is larger than {largest} bytes")
    return data
