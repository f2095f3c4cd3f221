"""Write a file so that readers find either the old content or the new one, complete."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def new_path(path: Path) -> Path:
    """Where a file is written before it takes the place of `path`. A kill may leave it behind."""
    return path.with_name(f"{path.name}.new")


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Write to a new file beside `path`, flush it to the disk and rename it. Remove it if that fails."""
    new = new_path(path)
    try:
        with new.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
