"""Image files in a zip or tar archive, read where they are: nothing is written to disk."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from rgf_keras.datasets.decoding import Unreadable, printable
from rgf_keras.datasets.image_files import SPECIAL, ImageFiles, Reader, sort_out
from rgf_keras.errors import RgfError, first_line

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MAX_FILE_BYTES = 512 * 2**20  # of one image; as many pixels as Pillow reads, uncompressed, are 256
MAX_RATIO = 1000  # of what is unpacked to the archive; images hardly shrink
FREE_BYTES = 64 * 2**20  # an archive that unpacks to this is no bomb, whatever its ratio

# What zipfile, tarfile and what they unpack with raise for files that are damaged or forged.
DAMAGED = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, ArithmeticError, MemoryError),
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
)


def list_archive(path: Path) -> ImageFiles:
    """The files in an archive, in its order.

    Raises:
        RgfError: it is no archive, damaged, encrypted or forged: names that lead out of it or that
            come twice, or contents that are out of proportion.
    """
    is_zip = path.suffix.lower() == ".zip"
    members: list[str] = []
    left_out: dict[str, list[str]] = defaultdict(list)
    unpacked = 0
    with _reading(path):
        for name, size, is_file in (_list_zip if is_zip else _list_tar)(path):
            _check_name(path, name)
            reason = sort_out(name) if is_file else SPECIAL
            if reason:
                left_out[reason].append(printable(name))
                continue
            unpacked += size
            _check_size(path, name, size, unpacked)
            members.append(name)
    for name, count in Counter(members).items():
        if count > 1:
            raise RgfError(f"{path} holds {printable(name)} {count} times; pack it again")
    return ImageFiles(
        place=str(path),
        names=tuple(members),
        left_out={reason: tuple(names) for reason, names in left_out.items()},
        readers=partial(_zip_readers if is_zip else _tar_readers, path, members),
    )


def _list_zip(path: Path) -> Iterator[tuple[str, int, bool]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.flag_bits & 1:
                raise RgfError(f"{path} is encrypted; unpack it and name the folder")
            kind = member.external_attr >> 28  # of a file made on Unix; 8 is a regular one
            if not member.is_dir():
                yield member.filename, member.file_size, kind in (0, 8)


def _list_tar(path: Path) -> Iterator[tuple[str, int, bool]]:
    with _open_tar(path) as archive:
        for member in archive:
            if not member.isdir():
                yield member.name, member.size, member.isreg() and not member.issparse()
        _check_end(archive)


def _check_end(archive: tarfile.TarFile) -> None:
    """tarfile takes damaged headers for the end, and what is cut off there for whole."""
    file = archive.fileobj
    assert file is not None
    file.seek(archive.offset)
    rest = file.read(tarfile.RECORDSIZE)
    if not rest:
        raise tarfile.ReadError("its end is missing")
    while rest:
        if rest.strip(b"\0"):
            raise tarfile.ReadError("more follows its end, or a header is damaged")
        rest = file.read(tarfile.RECORDSIZE)


def _check_name(path: Path, name: str) -> None:
    if name.startswith("/") or ".." in PurePosixPath(name.replace("\\", "/")).parts:
        raise RgfError(f"{path} holds {printable(name)}, a path out of it; pack it again")


def _check_size(path: Path, name: str, size: int, unpacked: int) -> None:
    if size > MAX_FILE_BYTES:
        raise RgfError(
            f"{path} holds {printable(name)} of {size} bytes; an image may have {MAX_FILE_BYTES}"
        )
    if unpacked > _most_bytes(path):
        raise _bomb(path)


def _most_bytes(path: Path) -> int:
    return max(FREE_BYTES, MAX_RATIO * path.stat().st_size)


def _bomb(path: Path) -> RgfError:
    return RgfError(
        f"{path} unpacks to more than {MAX_RATIO} times its size, as no images do; unpack it "
        "yourself if you trust it, and name the folder"
    )


def _zip_readers(path: Path, members: Sequence[str], positions: Sequence[int]) -> Iterator[Reader]:
    with _reading(path), zipfile.ZipFile(path) as archive:
        for position in positions:
            yield partial(_read_member, path, partial(archive.open, members[position]))


def _tar_readers(path: Path, members: Sequence[str], positions: Sequence[int]) -> Iterator[Reader]:
    wanted = iter([members[position] for position in positions])
    name = next(wanted, None)
    with _reading(path), _open_tar(path) as archive:
        for member in archive:
            if name is None:
                return
            if member.name == name and member.isreg():
                yield partial(_read_member, path, partial(archive.extractfile, member))
                name = next(wanted, None)
    if name is not None:
        raise RgfError(f"{path} has changed while it was read: {printable(name)} is gone")


def _read_member(path: Path, open_member: Callable[[], IO[bytes] | None]) -> BinaryIO:
    try:
        file = open_member()
        assert file is not None
        with file:
            content = file.read(MAX_FILE_BYTES + 1)
    except DAMAGED as error:
        raise Unreadable(f"cannot be unpacked ({_cause(error)}); pack it again") from error
    if len(content) > MAX_FILE_BYTES:
        raise Unreadable(f"unpacks to more than {MAX_FILE_BYTES} bytes; leave it out")
    return io.BytesIO(content)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Inside, an archive is read, and what is raised for damaged ones becomes one line."""
    try:
        yield
    except DAMAGED as error:
        cause = _cause(error)
        raise RgfError(f"{path} cannot be read as an archive ({cause}); pack it again") from error


def _cause(error: BaseException) -> str:
    return first_line(error) if str(error) else type(error).__name__


class _Bounded(io.RawIOBase):
    """What a tar unpacks to, of which no more is read than the archive's size allows."""

    def __init__(self, path: Path):
        openers = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
        self.path, self.most = path, _most_bytes(path)
        with open(path, "rb") as file:
            opener = openers.get(file.read(2), open)
        self.file: IO[bytes] = opener(path, "rb")  # type: ignore[operator]

    def read(self, size: int = -1) -> bytes:
        self._check(self.file.tell() + size)
        return self.file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._check(offset)
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self.file.close()
        super().close()

    def _check(self, position: int) -> None:
        if position > self.most:
            raise _bomb(self.path)


@contextmanager
def _open_tar(path: Path) -> Iterator[tarfile.TarFile]:
    with _Bounded(path) as file, tarfile.open(fileobj=file, mode="r:") as archive:  # type: ignore[call-overload]
        yield archive
