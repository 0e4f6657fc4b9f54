"""Files are written whole or not at all, and nobody's file is written to by what lies in its way."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.cli import main
from conformance.report.atomic import try_to_write, write_atomically

from .documents import small


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """What was there is gone, and nothing lies beside it."""
    path = tmp_path / "results.json"
    path.write_text("old")
    write_atomically(path, iter([b"new", b" and whole"]))

    assert path.read_bytes() == b"new and whole"
    assert list(tmp_path.iterdir()) == [path]


def test_what_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    """Where the last part can't be had, nothing has happened."""
    path = tmp_path / "results.json"
    path.write_text("old")

    def parts() -> Iterator[bytes]:
        yield b"new"
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, parts())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """In a shared folder a link may lead to somebody's file, which stays as it is."""
    somebodys, link = tmp_path / "somebody's", tmp_path / "results.json"
    somebodys.write_text("mine")
    link.symlink_to(somebodys)
    write_atomically(link, b"new")

    assert somebodys.read_text() == "mine"
    assert link.read_bytes() == b"new"
    assert not link.is_symlink()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A pipe would be replaced, and whoever reads it would wait for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(OSError, match="is not a file"):
        write_atomically(pipe, b"new")
    assert pipe.is_fifo()


def test_a_folder_is_tried_without_a_trace(tmp_path: Path) -> None:
    """Trying leaves nothing; where there is no folder it fails."""
    try_to_write(tmp_path)

    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="missing"):
        try_to_write(tmp_path / "missing")


@pytest.mark.parametrize("command", ["merge", "diff"])
def test_a_place_that_can_not_be_written_to_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """In one sentence, with a status of its own: a file lies where a folder would have to be."""
    run = tmp_path / "results.json"
    run.write_text(json.dumps(small()))

    assert main([command, str(run), str(run), "-o", str(run / "page")]) == 2
    assert "can't be written: Not a directory" in capsys.readouterr().err
