"""CompCars read from small trees in the archive's format."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from rgf_keras.datasets import compcars, load
from rgf_keras.errors import RgfError

# The archive's names carry blanks, and some cells are empty.
MODELS = [
    ("Volkswagen ", "Golf "),
    ("Audi", "Audi A4"),
    (" Toyota", "Corolla"),
    ("VOLKSWAGEN", ""),
    ("Smart", "fortwo"),
]
UNKNOWN, BLACK, WHITE, RED, SILVER = -1, 0, 1, 2, 9
# Model and name, the colour's number, width and height, red-green-blue of every pixel.
TRAIN = [
    ("1/a.jpg", BLACK, (40, 30), (10, 20, 30)),
    ("2/b.jpg", BLACK, (40, 30), (40, 20, 30)),
    ("3/c.jpg", WHITE, (30, 50), (200, 210, 220)),
    ("1/d.jpg", UNKNOWN, (40, 30), (50, 20, 30)),
    ("3/e.jpg", RED, (40, 30), (250, 0, 0)),
    ("4/f.jpg", WHITE, (8, 8), (240, 230, 250)),
    ("3/g.jpg", BLACK, (90, 91), (30, 40, 20)),
    ("5/h.jpg", SILVER, (40, 30), (150, 150, 160)),
]
TEST = [
    ("3/i.jpg", WHITE, (20, 20), (220, 200, 210)),
    ("1/j.jpg", BLACK, (20, 20), (30, 20, 10)),
]
KEPT = [0, 2, 5, 6]


def cell(value):
    """A MATLAB cell that holds a cell that holds a value."""
    outer = np.empty((1, 1), object)
    outer[0, 0] = value
    return outer


def save_cells(path, rows):
    cells = np.empty((len(rows), len(rows[0])), object)
    for position, row in enumerate(rows):
        cells[position] = [cell(value) for value in row]
    savemat(path, {path.stem: cells})


def save_makes(folder, models=MODELS):
    rows = [(make, name, 100 + number) for number, (make, name) in enumerate(models)]
    save_cells(folder / "sv_make_model_name.mat", rows)


def save_colours(folder, cars):
    save_cells(folder / "color_list.mat", [(car[0], car[1]) for car in cars])


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "compcars" / "sv_data"
    for file, _, size, colour in TRAIN + TEST:
        path = folder / "image" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(path, quality=95)
    for name, cars in (("train", TRAIN), ("test", TEST)):
        (folder / f"{name}_surveillance.txt").write_text("".join(f"{car[0]}\n" for car in cars))
    save_makes(folder)
    save_colours(folder, TRAIN + TEST)
    return folder


def test_the_papers_subset(tree):
    dataset = compcars.read(tree, "train")
    assert dataset.name == "compcars/train"
    assert dataset.images.shape == (4, 64, 64, 3)
    assert dataset.class_names == ("Volkswagen", "Toyota")
    assert (dataset.factor_name, dataset.factor_values) == ("colour", ("black", "white"))
    assert dataset.indices.tolist() == KEPT, "positions in the list"
    assert dataset.labels.tolist() == [0, 1, 0, 1]
    assert dataset.planted.tolist() == [0, 1, 1, 0]
    expected = np.array([TRAIN[index][3] for index in KEPT])[:, None, None]
    assert np.abs(dataset.images.astype(int) - expected).max() <= 3, "RGB, in the list's order"


def test_the_test_list(tree):
    dataset = compcars.read(tree, "test", size=8)
    assert dataset.name == "compcars/test"
    assert dataset.images.shape == (2, 8, 8, 3)
    assert dataset.labels.tolist() == [1, 0]
    assert dataset.planted.tolist() == [1, 0]


def test_other_makes_and_colours(tree):
    dataset = compcars.read(tree, "train", makes=["toyota ", "Smart"], colours=["silver", "red"])
    assert dataset.indices.tolist() == [4, 7]
    assert dataset.labels.tolist() == [0, 1]
    assert dataset.planted.tolist() == [1, 0]
    assert dataset.factor_values == ("silver", "red")


def test_images_without_a_known_colour_are_left_out(tree):
    save_colours(tree, [car for car in TRAIN if car[0] != "4/f.jpg"])
    assert compcars.read(tree, "train").indices.tolist() == [0, 2, 6]


def test_resizing_is_antialiased(tree):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tree / "image" / "1/a.jpg", quality=100)
    image = compcars.read(tree, "train", size=8).images[0].astype(int)
    assert np.abs(image - 127).max() < 25, "an average of black and white, neither of them"


def test_grey_files_become_rgb(tree):
    Image.new("L", (10, 10), 7).save(tree / "image" / "1/a.jpg")
    np.testing.assert_array_equal(compcars.read(tree, "train").images[0], 7)


def damage(path):
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    "spoil",
    [damage, lambda path: path.write_text("no image"), lambda path: path.unlink()],
    ids=["truncated", "text", "missing"],
)
def test_unreadable_images_are_left_out_with_one_warning(tree, spoil):
    for file in ("3/c.jpg", "1/d.jpg"):  # the second is not wanted anyway
        spoil(tree / "image" / file)
    with pytest.warns(UserWarning, match=r"left out 1 of 4 images.*first .*3/c\.jpg") as caught:
        dataset = compcars.read(tree, "train", colours=["white", "black"])
    assert len(caught) == 1
    assert dataset.indices.tolist() == [0, 5, 6], "the other images keep theirs"


@pytest.mark.parametrize(
    "name", ["sv_make_model_name.mat", "color_list.mat", "train_surveillance.txt"]
)
def test_a_missing_file_is_named(tree, name):
    (tree / name).unlink()
    message = rf"sv_data/{name} does not exist; put CompCars' whole sv_data at .*sv_data$"
    with pytest.raises(RgfError, match=message):
        load("compcars", data_dir=tree.parents[1])


@pytest.mark.parametrize("name", ["sv_make_model_name.mat", "color_list.mat"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("<html>404</html>" * 100),
        lambda path: savemat(path, {"other": np.zeros((2, 2))}),
        lambda path: savemat(path, {path.stem: cell(np.array(["a", "b"], object))}),
        lambda path: savemat(path, {path.stem: {"a": 1}}),
    ],
    ids=["truncated", "header only", "empty", "text", "other table", "no singletons", "struct"],
)
def test_a_corrupt_table_is_named_in_one_line(tree, name, spoil):
    spoil(tree / name)
    message = rf"{name} is corrupt: it has no table '{name[:-4]}' .*; extract the archive again$"
    with pytest.raises(RgfError, match=message) as caught:
        compcars.read(tree, "train")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        *("../secret.jpg", "1/../../secret.jpg", "1/..", "/etc/secret.jpg", "1//secret.jpg"),
        *("1\\..\\secret.jpg", "C:/secret.jpg", "1/c:secret.jpg", "x/a.jpg", "1/a.txt", ""),
        *("0/a.jpg", "6/a.jpg", "-1/a.jpg", "99999999999/a.jpg"),
    ],
)
def test_a_corrupt_list_is_named_in_one_line(tree, line):
    (tree / "train_surveillance.txt").write_text(f"1/a.jpg\n{line}\n3/c.jpg\n")
    shutil.copy(tree / "image" / "1/a.jpg", tree / "secret.jpg")
    message = rf"train_surveillance\.txt is corrupt: line 2, {re.escape(repr(line))}, is no model/"
    with pytest.raises(RgfError, match=message) as caught:
        compcars.read(tree, "train")
    assert "\n" not in str(caught.value)


def test_a_list_that_is_no_text(tree):
    (tree / "train_surveillance.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RgfError, match=r"train_surveillance\.txt is corrupt .*extract the archive"):
        compcars.read(tree, "train")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"makes": ["Toyota", "Lada"]},
            r"sv_make_model_name\.mat has no make 'Lada'; known: Audi, Smart, Toyota, VOLKSWAGEN, ",
        ),
        ({"colours": ["black", "pink"]}, "unknown colour 'pink'; known: black, white, red, "),
        ({"colours": ["black", "blue"]}, "lists no readable 'blue' among Volkswagen, Toyota in "),
        ({"makes": ["Toyota", "Smart"]}, "lists no readable 'Smart' .*; leave 'Smart' out or "),
        ({"makes": []}, "lists no readable 'black'"),
        ({"size": 0}, "size must be at least 1, received 0"),
    ],
)
def test_what_is_not_there_is_named(tree, arguments, message):
    with pytest.raises(RgfError, match=message):
        compcars.read(tree, "train", **arguments)


def test_a_missing_image_folder_is_an_error(tree):
    shutil.rmtree(tree / "image")
    with (
        pytest.warns(UserWarning, match="left out 4 of 4"),
        pytest.raises(RgfError, match=r"no readable 'Volkswagen'.* or extract the archive again"),
    ):
        compcars.read(tree, "train")


def in_compcars(folder):
    return folder.parents[1]


def in_sv_data(folder):
    return folder.parent


def itself(folder):
    return folder


@pytest.mark.parametrize("place", [in_compcars, in_sv_data, itself])
@pytest.mark.parametrize("given", ["argument", "environment"])
def test_where_the_archive_is_looked_for(tree, tmp_path, monkeypatch, place, given):
    monkeypatch.setenv("RGF_DATA_DIR", str(place(tree) if given == "environment" else tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    dataset = load("compcars", data_dir=place(tree) if given == "argument" else elsewhere)
    assert dataset.fingerprint == compcars.read(tree, "train").fingerprint


def test_without_the_archive(tmp_path, monkeypatch):
    monkeypatch.delenv("RGF_DATA_DIR", raising=False)
    message = "CompCars is given on request only .*; put its sv_data folder in .*RGF_DATA_DIR"
    for data_dir in (None, tmp_path):
        with pytest.raises(RgfError, match=message):
            load("compcars", data_dir=data_dir)


def test_own_factor(tree):
    assert load("compcars", data_dir=tree, factor="colour").factor_name == "colour"
    assert load("compcars", data_dir=tree, split="test").factor_name == "colour"
    plain = load("compcars", data_dir=tree, factor="thinning")
    assert (plain.factor, plain.factor_name, plain.factor_values) == (None, None, ())
    assert len(plain) == 4
