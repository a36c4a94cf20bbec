"""Archives come back whole, or not at all."""

import contextlib

import numpy as np
import pytest

from rgf_keras import archive
from rgf_keras.errors import RgfError

ARRAYS = {
    "images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "weights": np.array([0.5, -np.inf, np.nan], np.float32),
    "nothing": np.empty((0, 7)),
    "number": np.array(3),
}
HEADER = {"name": "digits", "values": ["red", "green"], "seed": None}


@pytest.mark.parametrize("compress", [False, True])
def test_round_trip_keeps_values_dtypes_shapes_and_header(tmp_path, compress):
    path = archive.save(tmp_path / "new" / "folder" / "a.npz", ARRAYS, HEADER, compress)
    arrays, header = archive.load(path)
    assert header == HEADER
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_numpy_reads_an_archive_without_this_package(tmp_path):
    with np.load(archive.save(tmp_path / "a.npz", ARRAYS)) as file:
        np.testing.assert_array_equal(file["images"], ARRAYS["images"])


def test_saving_leaves_one_file_and_replaces_the_old(tmp_path):
    for value in (1, 2):
        archive.save(tmp_path / "a.npz", {"x": np.array(value)})
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    assert archive.load(tmp_path / "a.npz")[0]["x"] == 2


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = archive.save(tmp_path / "a.npz", {"x": np.array(1)})

    def disk_full(file, **members):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", disk_full)
    with pytest.raises(RgfError, match=r"cannot write .*a\.npz: No space left on device;"):
        archive.save(path, {"x": np.array(2)})
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    assert archive.load(path)[0]["x"] == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")  # root may write anywhere, but not below a file
    with pytest.raises(RgfError, match=r"cannot write .*file/a\.npz"):
        archive.save(tmp_path / "file" / "a.npz", ARRAYS)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RgfError, match=r"a\.npz does not exist$"):
        archive.load(tmp_path / "a.npz")


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, share, compress):
    path = archive.save(tmp_path / "a.npz", ARRAYS, HEADER, compress)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RgfError, match="corrupt or truncated"):
        archive.load(path)


@pytest.mark.parametrize("compress", [False, True])
def test_no_changed_byte_goes_unnoticed(tmp_path, compress):
    path = archive.save(tmp_path / "a.npz", {"x": np.arange(5)}, HEADER, compress)
    content = path.read_bytes()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 0xFF
        path.write_bytes(changed)
        with contextlib.suppress(RgfError):  # some bytes, e.g. the time of day, mean nothing
            arrays, header = archive.load(path)
            assert header == HEADER
            np.testing.assert_array_equal(arrays["x"], np.arange(5))


def test_a_consistent_forgery_does_not_match_its_checksum(tmp_path):
    path = archive.save(tmp_path / "a.npz", {"x": np.array(1)})
    with np.load(path) as file:
        np.savez(path, x=np.array(2), __header__=file["__header__"])
    with pytest.raises(RgfError, match="does not match its checksum"):
        archive.load(path)


def test_pickled_content_is_refused_without_being_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("the pickle was run",)

    with open(tmp_path / "a.npz", "wb") as file:
        np.savez(file, x=np.array([Trap()], object))
    with pytest.raises(RgfError, match="corrupt"):
        archive.load(tmp_path / "a.npz")


@pytest.mark.parametrize("write", [np.save, np.savez])
def test_files_of_numpy_that_are_no_archives_are_refused(tmp_path, write):
    with open(tmp_path / "a.npz", "wb") as file:
        write(file, np.arange(3))
    with pytest.raises(RgfError, match="corrupt"):
        archive.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "other",
    [
        {"x": np.array([1, 3])},
        {"y": np.array([1, 2])},
        {"x": np.array([[1, 2]])},
        {"x": np.array([1, 2], np.int32)},
    ],
    ids=["value", "name", "shape", "dtype"],
)
def test_digest_sees_every_difference(other):
    assert archive.digest({"x": np.array([1, 2])}) != archive.digest(other)


def test_digest_ignores_memory_layout_and_order_of_names():
    array = np.arange(6).reshape(2, 3)
    first = archive.digest({"a": array, "b": array})
    assert first == archive.digest({"b": np.asfortranarray(array), "a": array})
