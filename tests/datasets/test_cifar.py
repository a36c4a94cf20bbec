"""CIFAR-10, CIFAR-10.1 and ciFAIR-10 read from small files in the true formats."""

import io
import pickle
import sys
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest

from rgf_keras.datasets import available, cifar, load
from rgf_keras.errors import RgfError

FOLDERS = {"cifar10": "cifar-10-batches-bin", "cifair10": "ciFAIR-10"}
FILES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
NAMES = "airplane automobile bird cat deer dog frog horse ship truck"


def record(label, pixels):
    """One byte, then the red plane, the green one and the blue one; ``pixels`` is (32, 32, 3)."""
    return bytes([label]) + b"".join(pixels[..., channel].tobytes() for channel in range(3))


def save(folder, num_per_batch=2, seed=0):
    """Six files; returns the images and classes of the training and the test set."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (6 * num_per_batch, 32, 32, 3)).astype(np.uint8)
    labels = rng.permutation(len(images)) % 10
    folder.mkdir(parents=True)
    for file, part in zip(FILES, np.split(np.arange(len(images)), 6), strict=True):
        (folder / file).write_bytes(b"".join(record(labels[i], images[i]) for i in part))
    (folder / "batches.meta.txt").write_text(NAMES.replace(" ", "\n"))
    num_train = 5 * num_per_batch
    return {
        "train": (images[:num_train], labels[:num_train]),
        "test": (images[num_train:], labels[num_train:]),
    }


@pytest.fixture(autouse=True)
def _offline(monkeypatch, tmp_path):
    """Nobody's files are found, and nothing is downloaded."""

    def refuse(**_):
        raise Exception("URL fetch failure: no network")  # as Keras does

    monkeypatch.delenv("RGF_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    answer_downloads(monkeypatch, refuse)


def answer_downloads(monkeypatch, get_file):
    monkeypatch.setitem(
        sys.modules, "keras", SimpleNamespace(utils=SimpleNamespace(get_file=get_file))
    )


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_records_become_images(tmp_path, name, split):
    images, labels = save(tmp_path / FOLDERS[name])[split]
    dataset = load(name, split, data_dir=tmp_path)
    assert dataset.name == f"{name}/{split}"
    assert dataset.class_names == tuple(NAMES.split())
    assert (dataset.factor, dataset.factor_name) == (None, None)
    np.testing.assert_array_equal(dataset.images, images)
    np.testing.assert_array_equal(dataset.labels, labels)
    np.testing.assert_array_equal(dataset.indices, np.arange(len(images)))
    assert dataset.images.flags.c_contiguous


def test_planes_are_red_green_blue_row_by_row(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    save(folder)
    planes = [0] * 3072
    planes[1] = 10  # red of the first row's second pixel
    planes[1024 + 32] = 20  # green of the second row's first
    planes[2048 + 1023] = 30  # blue of the last row's last
    (folder / "test_batch.bin").write_bytes(bytes([7, *planes]))
    dataset = load("cifar10", "test", data_dir=tmp_path)
    image = dataset.images[0]
    assert (image[0, 1].tolist(), image[1, 0].tolist()) == ([10, 0, 0], [0, 20, 0])
    assert image[31, 31].tolist() == [0, 0, 30]
    assert image.sum() == 60
    assert dataset.labels.tolist() == [7]


@pytest.mark.parametrize("given", ["argument", "environment", "the folder itself", "Keras' cache"])
def test_where_the_files_are_looked_for(tmp_path, monkeypatch, given):
    parent = tmp_path / ("keras/datasets" if given == "Keras' cache" else "data")
    folder = parent / "cifar-10-batches-bin"
    images, _ = save(folder)["test"]
    if given == "environment":
        monkeypatch.setenv("RGF_DATA_DIR", str(parent))
    data_dir = {"argument": parent, "the folder itself": folder}.get(given)
    np.testing.assert_array_equal(load("cifar10", "test", data_dir=data_dir).images, images)


def test_an_argument_comes_before_the_environment_and_that_before_keras_cache(
    tmp_path, monkeypatch
):
    places = [tmp_path / "argument", tmp_path / "environment", tmp_path / "keras" / "datasets"]
    expected = [
        save(place / "cifar-10-batches-bin", seed=seed)["test"][0]
        for seed, place in enumerate(places)
    ]
    monkeypatch.setenv("RGF_DATA_DIR", str(places[1]))
    for data_dir, images in ((places[0], expected[0]), (None, expected[1])):
        np.testing.assert_array_equal(load("cifar10", "test", data_dir).images, images)
    monkeypatch.delenv("RGF_DATA_DIR")
    np.testing.assert_array_equal(load("cifar10", "test").images, expected[2])


def test_the_one_is_not_taken_for_the_other(tmp_path):
    save(tmp_path / "ciFAIR-10")
    for data_dir in (tmp_path, tmp_path / "ciFAIR-10"):
        with pytest.raises(RgfError, match="cannot download"):
            load("cifar10", data_dir=data_dir)


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), r"does not exist; put all of data_batch_1\.bin, .* there"),
        (lambda path: path.write_bytes(b""), "its 0 bytes are not whole records of 3,073; replace"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-1]),
            "its 6,145 bytes are not whole records of 3,073; replace it",
        ),
        (
            lambda path: path.write_bytes(path.read_bytes()[:3073] + bytes([10] * 3073)),
            "image 1 has the class 10, not 0 to 9; replace it",
        ),
        (lambda path: path.write_text("<html>404</html>"), "its 16 bytes are not whole records"),
    ],
    ids=["missing", "empty", "truncated", "wrong class", "no records"],
)
def test_a_bad_batch_is_named_in_one_line(tmp_path, name, spoil, message):
    save(tmp_path / FOLDERS[name])
    spoil(tmp_path / FOLDERS[name] / "data_batch_3.bin")
    with pytest.raises(RgfError, match=rf"data_batch_3\.bin .*{message}") as caught:
        load(name, data_dir=tmp_path)
    assert "\n" not in str(caught.value)
    assert len(load(name, "test", data_dir=tmp_path)) == 2, "the other split is whole"


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def test_pickled_batches_are_not_touched(tmp_path):
    for parent in (tmp_path / "keras" / "datasets", tmp_path):
        for folder in ("cifar-10-batches-py", "cifar-10-batches-bin", "ciFAIR-10"):
            (parent / folder).mkdir(parents=True)
            for file in FILES:
                (parent / folder / file[:-4]).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(RgfError, match="cannot download"):
        load("cifar10", data_dir=tmp_path)
    message = "cvjena.github.io/cifair, pickled; put its batches, converted as .*cifar.py shows, in"
    with pytest.raises(RgfError, match=message):
        load("cifair10", data_dir=tmp_path)


def test_the_conversion_in_the_docstring(tmp_path):
    images, labels = save(tmp_path / "cifar-10-batches-bin")["test"]
    folder = tmp_path / "ciFAIR-10"
    folder.mkdir()
    data = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(-1, 3072)
    pickled = pickle.dumps({"data": data, "labels": labels.tolist()})
    (folder / "test_batch").write_bytes(pickled)
    recipe = cifar.__doc__.split("::\n\n")[2].split("\n\n")[0]
    lines = "\n".join(line.strip() for line in recipe.splitlines())
    lines = lines.replace('"ciFAIR-10/', f'"{tmp_path.as_posix()}/ciFAIR-10/')
    exec(lines, {"np": np, "pickle": pickle})
    np.testing.assert_array_equal(load("cifair10", "test", tmp_path).images, images)


# The archive, downloaded.


def pack(path, folder, extra=()):
    """The archive as it is on the web, and then some members: name and content."""
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "cifar-10-batches-bin")
        for name, content in (("cifar-10-batches-bin/readme.html", b"<html>"), *extra):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def tarball(tmp_path, monkeypatch):
    """What Keras downloads."""
    save(tmp_path / "original")
    cache = tmp_path / "keras" / "datasets"
    cache.mkdir(parents=True)
    path = pack(cache / "cifar-10-binary.tar.gz", tmp_path / "original")

    def get_file(origin, file_hash):
        assert origin == "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
        assert len(file_hash) == 64, "SHA-256"
        return str(path)

    answer_downloads(monkeypatch, get_file)
    return path


def test_what_is_not_there_is_downloaded(tmp_path, tarball, monkeypatch):
    folder = tarball.parent / "cifar-10-batches-bin"
    where = available()["cifar10"]
    assert where == f"{folder} (downloaded when first used)"
    images, labels = save(tmp_path / "same")["train"]
    dataset = load("cifar10", data_dir=tmp_path)
    np.testing.assert_array_equal(dataset.images, images)
    np.testing.assert_array_equal(dataset.labels, labels)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "batches.meta.txt"])
    assert sorted(path.name for path in tarball.parent.iterdir()) == sorted(
        [tarball.name, folder.name]
    ), "nothing is left over"
    assert available()["cifar10"] == str(folder)
    monkeypatch.delitem(sys.modules, "keras")
    tarball.unlink()
    assert len(load("cifar10", "test")) == 2, "the second time Keras is not asked"


def test_unpacking_twice_changes_nothing(tarball):
    folder = cifar.unpack(tarball)
    before = (folder / "test_batch.bin").stat().st_mtime_ns
    tarball.write_bytes(b"")
    assert cifar.unpack(tarball) == folder
    assert (folder / "test_batch.bin").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "name",
    ["../escaped.bin", "cifar-10-batches-bin/../../escaped.bin", "/tmp/escaped.bin", ".."],
)
def test_paths_out_of_the_archive_are_refused(tmp_path, tarball, name):
    pack(tarball, tmp_path / "original", extra=[(name, b"x")])
    with pytest.raises(RgfError, match=r"tar\.gz holds '.*', a path out of it; delete it$"):
        load("cifar10")
    assert not list(tmp_path.rglob("*escaped*"))
    assert [path.name for path in tarball.parent.iterdir()] == [tarball.name], "nothing is unpacked"


def test_unexpected_members_are_not_written(tmp_path, tarball):
    extra = [("cifar-10-batches-bin/sub/test_batch.bin", b"x"), ("other/test_batch.bin", b"x")]
    pack(tarball, tmp_path / "original", extra)
    assert len(load("cifar10", "test")) == 2
    folder = tarball.parent / "cifar-10-batches-bin"
    assert len(list(folder.iterdir())) == 7
    assert not (tarball.parent / "other").exists()


def test_links_are_not_followed(tmp_path, tarball):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(3073))
    (tmp_path / "original" / "test_batch.bin").unlink()
    (tmp_path / "original" / "test_batch.bin").symlink_to(secret)
    pack(tarball, tmp_path / "original")
    with pytest.raises(RgfError, match=r"holds no test_batch\.bin; delete it to download it again"):
        load("cifar10")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("<html>404</html>"),
        lambda path: path.write_bytes(path.read_bytes()[:-5000]),
        lambda path: path.write_bytes(path.read_bytes()[:2000] + bytes(1000)),
    ],
    ids=["empty", "text", "truncated", "damaged"],
)
def test_a_bad_archive_is_named_in_one_line(tarball, spoil):
    spoil(tarball)
    with pytest.raises(RgfError, match=r"cannot unpack .*tar\.gz \(.*delete it to down") as caught:
        load("cifar10")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tarball.parent.iterdir()] == [tarball.name], "nothing is unpacked"


def test_a_failed_download_is_one_line():
    message = r"cannot download https://www\.cs.*no network\); put cifar-10-batches-bin in a folder"
    with pytest.raises(RgfError, match=message) as caught:
        load("cifar10")
    assert "\n" not in str(caught.value)


# CIFAR-10.1


@pytest.fixture
def pair(tmp_path):
    """The two files, in a folder, and what they hold."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "cifar10.1"
    folder.mkdir()
    images = rng.integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    labels = np.array([9, 0, 3, 3], np.int32)
    np.save(folder / "cifar10.1_v6_data.npy", images)
    np.save(folder / "cifar10.1_v6_labels.npy", labels)
    return folder, images, labels


@pytest.mark.parametrize("given", ["argument", "environment"])
@pytest.mark.parametrize("inside", [True, False])
def test_the_pair_of_arrays(pair, monkeypatch, given, inside):
    folder, images, labels = pair
    place = folder if inside else folder.parent
    if given == "environment":
        monkeypatch.setenv("RGF_DATA_DIR", str(place))
    dataset = load("cifar10.1", "test", data_dir=place if given == "argument" else None)
    assert dataset.name == "cifar10.1/test"
    assert dataset.class_names == tuple(NAMES.split())
    np.testing.assert_array_equal(dataset.images, images)
    np.testing.assert_array_equal(dataset.labels, labels)
    np.testing.assert_array_equal(dataset.indices, np.arange(4))


def test_there_are_no_training_images(pair):
    for data_dir in (pair[0], None):
        with pytest.raises(RgfError, match=r"cifar10\.1 has no split 'train', only test$"):
            load("cifar10.1", "train", data_dir=data_dir)


def save_pickled(path):
    np.save(path, np.array([Trap()], object), allow_pickle=True)


def damage_header(path):
    path.write_bytes(path.read_bytes().replace(b"(4,), }", b"(((4,), "))


IMAGES, LABELS = "cifar10.1_v6_data.npy", "cifar10.1_v6_labels.npy"


@pytest.mark.parametrize(
    ("file", "spoil", "message"),
    [
        (IMAGES, lambda path: path.unlink(), "does not exist; put both cifar10.1_v6_data.npy and "),
        (LABELS, lambda path: path.unlink(), "does not exist; put both cifar10.1_v6_data.npy and "),
        (IMAGES, lambda path: path.write_bytes(path.read_bytes()[:-9]), "is corrupt, pickled or"),
        (
            LABELS,
            lambda path: path.write_bytes(b""),
            "is corrupt, pickled or no .npy file; replace",
        ),
        (LABELS, damage_header, "is corrupt, pickled or no .npy file; replace it"),
        (LABELS, save_pickled, "is corrupt, pickled or no .npy file; replace it"),
        (LABELS, lambda path: path.write_bytes(pickle.dumps(Trap())), "is corrupt, pickled or no"),
        (LABELS, lambda path: np.savez(path.open("wb"), a=1, b=2), "is several arrays, not one"),
        (
            IMAGES,
            lambda path: np.save(path, np.zeros((4, 32, 32, 3))),
            r"must hold \(N, 32, 32, 3\) uint8, received \(4, 32, 32, 3\) float64; replace it",
        ),
        (
            IMAGES,
            lambda path: np.save(path, np.zeros((4, 3, 32, 32), np.uint8)),
            r"must hold \(N, 32, 32, 3\) uint8, received \(4, 3, 32, 32\) uint8; replace it",
        ),
        (IMAGES, lambda path: np.save(path, np.uint8(1)), r"received \(\) uint8"),
        (IMAGES, lambda path: np.save(path, np.zeros((0, 32, 32, 3), np.uint8)), r"received \(0,"),
        (LABELS, lambda path: np.save(path, np.zeros(4)), r"must hold \(4,\) integers, received"),
        (LABELS, lambda path: np.save(path, np.arange(3)), r"\(4,\) integers, received \(3,\) int"),
        (
            LABELS,
            lambda path: np.save(path, np.arange(4) + 7),
            "image 3 has the class 10, not 0 to",
        ),
        (
            LABELS,
            lambda path: np.save(path, np.arange(4) - 1),
            "image 0 has the class -1, not 0 to",
        ),
    ],
)
def test_a_bad_array_is_named_in_one_line(pair, file, spoil, message):
    spoil(pair[0] / file)
    with pytest.raises(RgfError, match=rf"{file} .*{message}") as caught:
        load("cifar10.1", "test", data_dir=pair[0])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cifar10.1", r"CIFAR-10\.1 is at .*; put cifar10.1_v6_data.npy and .* folder cifar10\.1 "),
        (
            "cifair10",
            "ciFAIR-10 is at .* in a folder ciFAIR-10 and set RGF_DATA_DIR to the folder ",
        ),
    ],
)
def test_without_the_files(tmp_path, name, message):
    for data_dir in (None, tmp_path):
        with pytest.raises(RgfError, match=message):
            load(name, "test", data_dir=data_dir)
    assert available()[name].endswith("looked for in RGF_DATA_DIR")
