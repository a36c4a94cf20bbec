"""What commands write: refused before the work if it cannot be written, with what could be."""

from pathlib import Path

from rgf_keras.cli.options import check_writable
from rgf_keras.errors import RgfError

PICTURES = (".png", ".jpg", ".jpeg", ".pdf")
PAGES = (".html", ".htm")
TABLES = (".csv",)


def check_file_output(path: Path, suffixes: tuple[str, ...], option: str = "--output") -> None:
    """Make the folder of a file that an option names.

    Raises:
        RgfError: the name has another suffix, is a folder's, or nothing can be written there.
    """
    formats = " or ".join(filter(None, (", ".join(suffixes[:-1]), suffixes[-1])))
    try:
        if path.is_dir():
            raise RgfError(f"{option} {path} is a folder; give a file that ends in {formats}")
        if path.suffix.lower() not in suffixes:
            raise RgfError(f"{option} {path}: give a file that ends in {formats}")
        if path.exists() and not path.is_file():
            raise RgfError(f"{option} {path} is no regular file; choose another one")
    except OSError as error:
        raise RgfError(f"{option} {path}: {error.strerror}; choose another one") from None
    check_writable(path.parent, option)


def check_folder_output(path: Path, option: str = "--output") -> None:
    """Make the folder that an option names.

    Raises:
        RgfError: it is a file, or nothing can be written there.
    """
    if path.is_file():
        raise RgfError(f"{option} {path} is a file; give a folder")
    check_writable(path, option)
