"""Files written so that a reader never sees half of one, and nobody's file is written to by a link that lies in its way."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def write_atomically(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file, given whole or in parts. Raises `OSError`, and then leaves nothing behind.

    What lies at `path` is replaced, be it a link. A device or a pipe is refused: it would be replaced, too.
    """
    refuse_what_is_no_file(path)
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
    handle = os.open(temporary, _NEW, 0o666)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a handle, no path
            file.writelines((data,) if isinstance(data, bytes) else data)
        os.replace(temporary, path)  # noqa: PTH105 - atomic also where the file exists
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def refuse_what_is_no_file(path: Path) -> None:
    """Raise `OSError` where something lies at `path` that is neither a file nor a link."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise OSError(f"{path} is not a file")


def try_to_write(folder: Path) -> None:
    """Raise `OSError` where no file can be written to a folder, which must exist."""
    trial = folder / f".{secrets.token_hex(8)}.part"
    os.close(os.open(trial, _NEW, 0o666))
    trial.unlink()
