"""Names of data sets; bundled digits, and mnist.npz from a folder."""

import sys
from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest

from rgf_keras import archive
from rgf_keras.datasets import available, load, mnist
from rgf_keras.errors import ArgumentError, RgfError

# Digits 0 to 9 in the official MNIST test set.
TEST_SET = np.array([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
NAMES = "mnist-10k, mnist, cifar10, cifar10.1, cifair10, celeba, compcars"


@pytest.fixture(scope="module")
def splits():
    return load("mnist-10k", "train"), load("mnist-10k", "test")


def test_bundled_digits_are_split_8000_to_2000(splits):
    assert [len(part) for part in splits] == [8000, 2000]
    for part in splits:
        assert part.image_shape == (28, 28, 1)
        assert part.class_names == tuple("0123456789")
        assert (part.images.min(), part.images.max()) == (0, 255)


def test_bundled_splits_are_disjoint_and_complete(splits):
    together = np.concatenate([part.indices for part in splits])
    assert sorted(together.tolist()) == list(range(10_000))


@pytest.mark.parametrize(("position", "share"), [(0, 0.8), (1, 0.2)])
def test_bundled_splits_are_stratified(splits, position, share):
    sizes = np.bincount(splits[position].labels)
    assert np.abs(sizes - share * TEST_SET).max() < 1


def test_loading_twice_gives_the_same_digits(splits):
    np.random.seed(0)
    assert load("mnist-10k", "test").fingerprint == splits[1].fingerprint
    assert load("mnist-10k").fingerprint == splits[0].fingerprint, "train is the default"


def test_digits_have_no_factor_of_their_own(splits):
    for factor in (None, "colour"):
        digits = load("mnist-10k", "test", factor=factor)
        assert (digits.factor, digits.factor_name, digits.factor_values) == (None, None, ())
        assert digits.fingerprint == splits[1].fingerprint


def digits(num_train=6, num_test=4):
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (num_train, 28, 28)).astype(np.uint8),
        "y_train": np.arange(num_train, dtype=np.uint8),
        "x_test": rng.integers(0, 256, (num_test, 28, 28)).astype(np.uint8),
        "y_test": np.arange(num_test, dtype=np.uint8),
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a mnist.npz of ten images that passes for the real one."""
    np.savez(tmp_path / "mnist.npz", **digits())
    monkeypatch.setattr(mnist, "SHA256", archive.digest(digits()))
    return tmp_path


@pytest.mark.parametrize("split", ["train", "test"])
def test_mnist_from_a_folder(folder, split):
    dataset = load("mnist", split, data_dir=folder)
    assert dataset.name == f"mnist/{split}"
    np.testing.assert_array_equal(dataset.images[..., 0], digits()[f"x_{split}"])
    np.testing.assert_array_equal(dataset.labels, digits()[f"y_{split}"])


def test_mnist_from_the_environment(folder, monkeypatch):
    monkeypatch.setenv("RGF_DATA_DIR", str(folder))
    assert len(load("mnist")) == 6


def test_a_repacked_file_with_the_same_digits_is_accepted(folder):
    np.savez_compressed(folder / "mnist.npz", **digits())
    assert len(load("mnist", data_dir=folder)) == 6


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def change_a_digit(path):
    arrays = digits()
    arrays["x_train"][0, 0, 0] ^= 1
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), r"does not exist; put Keras' mnist\.npz there"),
        (truncate, "is corrupt or truncated"),
        (lambda path: path.write_bytes(b""), "is corrupt or truncated"),
        (lambda path: path.write_text("<html>404</html>"), "is corrupt or truncated"),
        (lambda path: np.savez(path, x_train=np.zeros(1)), "is corrupt or truncated"),
        (lambda path: np.save(path.open("wb"), np.zeros(1)), "is corrupt or truncated"),
        (change_a_digit, "does not hold the digits of MNIST"),
    ],
    ids=["missing", "truncated", "empty", "no npz", "other arrays", "one array", "wrong digits"],
)
def test_a_bad_file_is_named_in_one_line(folder, damage, message):
    damage(folder / "mnist.npz")
    with pytest.raises(RgfError, match=rf"mnist\.npz {message}") as caught:
        load("mnist", data_dir=folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("cifar",),
            f"unknown data set 'cifar'; known: {NAMES}, folder:PATH, module:attr, file.py:attr; "
            "did you mean 'cifar10'",
        ),
        (("folder",), "unknown data set 'folder'; known: "),
        (("folder:",), "unknown data set 'folder:'; known: "),
        (("mnist:PATH",), "'mnist:PATH': there is no module mnist here or beside the study file"),
        (("folder:PATH", "valid"), "unknown split 'valid'; known: train, test$"),
        (("mnist-10k", "valid"), "unknown split 'valid'; known: train, test$"),
        (("mnist-10k", "tests"), "unknown split 'tests'; known: train, test; did you mean 'test'"),
    ],
)
def test_unknown_names(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        load(*arguments)


def test_every_name_is_available(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("RGF_DATA_DIR", raising=False)
    where = available()
    assert ", ".join(where) == f"{NAMES}, folder:PATH"
    for name in ("mnist", "cifar10"):
        assert where[name].startswith(str(tmp_path / "datasets"))
        assert where[name].endswith(" (downloaded when first used)")


def test_mnist_is_not_downloaded_into_a_folder_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setenv("RGF_DATA_DIR", str(tmp_path))
    assert available()["mnist"] == f"{tmp_path / 'mnist.npz'} (missing; put Keras' mnist.npz there)"


def test_mnist_from_keras(folder, monkeypatch):
    def get_file(origin, file_hash):
        assert origin.endswith("/mnist.npz")
        assert len(file_hash) == 64
        return str(folder / "mnist.npz")

    monkeypatch.delenv("RGF_DATA_DIR", raising=False)
    keras = SimpleNamespace(utils=SimpleNamespace(get_file=get_file))
    monkeypatch.setitem(sys.modules, "keras", keras)
    assert len(load("mnist")) == 6


# ------------------------------------------------------------------------------ guests' data sets

GUESTS = """
import numpy as np
from rgf_keras.datasets import Dataset

def dots(split):
    num = {"train": 8, "test": 4}[split]
    images = np.zeros((num, 2, 2, 1), np.uint8)
    return Dataset(f"dots/{split}", images, np.arange(num) % 2, np.arange(num), ("a", "b"))

def sized(split, factor=None, data_dir=None):
    data = dots(split)
    print(factor, data_dir)
    values = np.arange(len(data)) % 2
    return Dataset(**{**vars(data), "factor": values, "factor_name": "size",
                      "factor_values": ("small", "large")})

def images(split):
    return np.zeros((8, 2, 2, 1), np.uint8)

def floats(split):
    return Dataset("floats", np.zeros((8, 2, 2, 1)), np.zeros(8, int), np.arange(8), ("a",))

def lists(split):
    return Dataset("lists", np.zeros((2, 2, 2, 1), np.uint8), [0, 0], np.arange(2), ("a",))

def nameless(split):
    data = dots(split)
    return Dataset(**{**vars(data), "factor": data.labels})

def wrong(split):
    data = sized(split)
    return Dataset(**{**vars(data), "factor": 2 + data.labels})

def failing(split):
    return {}[split]

def two(split, folder):
    pass

data = 3
"""


@pytest.fixture
def guests(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_data.py").write_text(GUESTS)
    yield tmp_path
    sys.modules.pop("my_data", None)


@pytest.mark.parametrize("place", ["my_data", "my_data.py"])
def test_a_function_of_ones_own(guests, place):
    assert [len(load(f"{place}:dots", split)) for split in ("train", "test")] == [8, 4]
    assert load(f"{place}:dots", factor="colour").factor is None


def test_a_function_with_factors_of_its_own(guests, capsys):
    name = "my_data.py:sized"
    assert load(name).factor_name == load(name, factor="size").factor_name == "size"
    plain = load(name, "test", "somewhere", factor="colour")
    assert (plain.factor, plain.factor_name, plain.factor_values) == (None, None, ())
    assert capsys.readouterr().out.splitlines() == ["None None", "size None", "colour somewhere"]


def test_an_installed_data_set(guests, monkeypatch):
    point = metadata.EntryPoint("dots", "my_data:dots", "rgf_keras.datasets")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point])
    sys.path.append(str(guests))
    assert load("dots", "test").name == "dots/test"
    with pytest.raises(ArgumentError, match=r"unknown data set 'dotz'.* did you mean 'dots'"):
        load("dotz")


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("nothing", "'my_data.py:nothing': my_data.py has no 'nothing'$"),
        ("data", r"'my_data.py:data' is a int; it must be a function \(split\) that returns a "),
        ("images", "'my_data.py:images' returns a ndarray; it must be a function"),
        ("floats", r"floats: images must be \(N, H, W, C\) uint8, received .* float64"),
        ("lists", r"lists: labels must be \(2,\) integers, received list"),
        ("nameless", "'my_data.py:nameless' returns a factor without factor_name or factor_val"),
        ("wrong", r"dots/train: factor must lie in \[0, 1\]"),
        ("failing", "'my_data.py:failing' fails: KeyError: 'train'$"),
        ("two", r"'my_data.py:two' fails: TypeError: two\(\) missing 1 required .*'folder'$"),
    ],
)
def test_what_is_wrong_with_it_is_told_in_one_line(guests, attribute, message):
    with pytest.raises(RgfError, match=message) as caught:
        load(f"my_data.py:{attribute}")
    assert "\n" not in str(caught.value)
