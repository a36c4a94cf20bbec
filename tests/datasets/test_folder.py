"""Folders of images, with and without a split and a table of factors."""

import numpy as np
import pytest
from PIL import Image

from rgf_keras.datasets import load
from rgf_keras.errors import RgfError


def save(path, value, mode="RGB", size=(6, 4)):
    """An image of one value; distinct values make images recognisable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


def save_table(folder, header, rows):
    lines = [",".join(row) for row in (header, *rows)]
    (folder / "factors.csv").write_text("\n".join(lines) + "\n")


FILES = (
    "test/cat/c.png",
    "test/dog/a.PNG",
    "train/cat/a.png",
    "train/cat/b.bmp",
    "train/dog/a.png",
)


@pytest.fixture
def parts(tmp_path):
    """Two classes with train and test folders, and what is to be ignored."""
    folder = tmp_path / "pets"
    for number, file in enumerate(FILES):
        save(folder / file, (number, 100, 200))
    (folder / "train" / "dog" / "notes.txt").write_text("")
    (folder / "train" / "dog" / ".hidden.png").write_text("")
    (folder / "train" / ".cache").mkdir()
    save(folder / "stray" / "image.png", (0, 0, 0))
    return folder


@pytest.fixture
def flat(tmp_path):
    """10 dogs and 20 cats, without train and test folders."""
    for number in range(30):
        name = "cat" if number < 20 else "dog"
        save(tmp_path / name / f"{number:02}.png", number, "L")
    return tmp_path


def read(folder, factor=None):
    return [load(f"folder:{folder}", split, factor=factor) for split in ("train", "test")]


def test_a_folder_with_its_own_split(parts):
    train, test = read(parts)
    assert (train.name, test.name) == (f"folder:{parts}/train", f"folder:{parts}/test")
    assert train.image_shape == test.image_shape == (4, 6, 3), "height, width, channels"
    assert train.class_names == test.class_names == ("cat", "dog")
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 0, 1], [0, 1])
    assert (train.indices.tolist(), test.indices.tolist()) == ([2, 3, 4], [0, 1])
    for part in (train, test):
        assert (part.factor, part.factor_name, part.factor_values) == (None, None, ())
        np.testing.assert_array_equal(part.images[:, 0, 0, 0], part.indices)
        assert (part.images[..., 1:] == [100, 200]).all()


def test_a_folder_without_a_split_is_split_80_to_20(flat):
    train, test = read(flat)
    assert np.bincount(train.labels).tolist() == [16, 8]
    assert np.bincount(test.labels).tolist() == [4, 2]
    together = np.concatenate([train.indices, test.indices])
    assert sorted(together.tolist()) == list(range(30))
    for part in (train, test):
        np.testing.assert_array_equal(part.images[:, 0, 0, 0], part.indices)
    assert [part.fingerprint for part in read(flat)] == [train.fingerprint, test.fingerprint]


def test_the_smallest_folder_that_can_be_split(tmp_path):
    for number in range(5):
        for name in "abc":
            save(tmp_path / name / f"{number}.png", number, "L")
    train, test = read(tmp_path)
    assert np.bincount(train.labels).tolist() == [4, 4, 4]
    assert np.bincount(test.labels).tolist() == [1, 1, 1]


@pytest.mark.parametrize(("mode", "value"), [("L", 9), ("LA", (9, 255)), ("1", 1)])
def test_grey_images_keep_one_channel(flat, mode, value):
    save(flat / "dog" / "20.png", value, mode)
    train, test = read(flat)
    assert train.image_shape == test.image_shape == (4, 6, 1)
    together = np.concatenate([train.images, test.images])
    position = np.concatenate([train.indices, test.indices]).tolist().index(20)
    np.testing.assert_array_equal(together[position], 255 if mode == "1" else 9)


@pytest.mark.parametrize(
    ("mode", "value"), [("RGB", (1, 2, 3)), ("RGBA", (1, 2, 3, 255)), ("CMYK", (254, 253, 252, 0))]
)
def test_one_image_in_colour_makes_all_rgb(flat, mode, value):
    (flat / "dog" / "20.png").unlink()
    save(flat / "dog" / "20.tiff", value, mode)
    train, test = read(flat)
    assert train.image_shape == test.image_shape == (4, 6, 3), "in both splits"
    for part in (train, test):
        for index, image in zip(part.indices, part.images, strict=True):
            np.testing.assert_array_equal(image[0, 0], [1, 2, 3] if index == 20 else [index] * 3)


def test_palettes_become_rgb(flat):
    for path in flat.glob("*/*.png"):
        Image.open(path).convert("P").save(path)
    assert read(flat)[0].image_shape == (4, 6, 3)


def test_a_table_of_factors(parts):
    rows = zip(reversed(FILES), "zyxzx", ("10", "9", "9", "10", "-1.5"), strict=True)
    save_table(parts, ("file", "shape", "weight"), rows)
    train, test = read(parts)
    assert (train.factor_name, train.factor_values) == ("shape", ("x", "y", "z")), "the first one"
    assert (train.planted.tolist(), test.planted.tolist()) == ([0, 1, 2], [0, 2])
    train, test = read(parts, factor="weight")
    assert train.factor_values == test.factor_values == ("-1.5", "9", "10"), "in numerical order"
    assert (train.planted.tolist(), test.planted.tolist()) == ([1, 1, 2], [0, 2])
    train, test = read(parts, factor="colour")
    assert (train.factor, train.factor_name, train.factor_values) == (None, None, ())


def test_values_that_are_not_all_numbers_are_in_alphabetical_order(parts):
    save_table(parts, ("file", "size"), zip(FILES, ("10", "9", "big", "9", "9"), strict=True))
    assert read(parts)[0].factor_values == ("10", "9", "big")


def test_a_table_as_a_spreadsheet_writes_it(parts):
    text = "\r\n".join(["file, kind", *(f'"{file}", "a, b "' for file in FILES), ""])
    (parts / "factors.csv").write_text(text.replace('", "', '","'), encoding="utf-8-sig")
    assert read(parts)[0].factor_values == ("a, b",)


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (("file",), [(file,) for file in FILES], r"has the header \['file'\]; it must be file,NAM"),
        (("path", "f"), [], r"has the header \['path', 'f'\]; it must be file,NAME"),
        (("file", "f", "f"), [], "with distinct names"),
        (("file", ""), [], "with distinct names"),
        (("",), [], r"has the header"),
        (("file", "f"), [(file, "1") for file in FILES[:3]], "has no row for 'train/cat/b.bmp'; "),
        (("file", "f"), [("cat/x.png", "1")], "'cat/x.png' is no image of .*; delete its row"),
        (("file", "f"), [("../pets/" + FILES[0], "1")], "is no image of"),
        (("file", "f"), [("stray/image.png", "1")], "'stray/image.png' is no image of"),
        (("file", "f"), [(FILES[0], "1"), (FILES[0], "2")], "has two rows; delete one"),
        (("file", "f"), [(FILES[0],)], "must have one value for each of"),
        (("file", "f"), [(FILES[0], "1", "2")], "must have one value for each of"),
        (("file", "f"), [(FILES[0], " ")], "must have one value for each of"),
    ],
)
def test_a_bad_table_is_named_in_one_line(parts, header, rows, message):
    save_table(parts, header, rows)
    with pytest.raises(RgfError, match=rf"factors\.csv.*{message}") as caught:
        read(parts, factor="something else")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"file,f\n\xff,1\n", b'file,f\n"a' + b"a" * 200_000])
def test_a_table_that_is_no_table(parts, content):
    (parts / "factors.csv").write_bytes(content)
    with pytest.raises(RgfError, match=r"factors\.csv (has the header \[\]|is no table in UTF-8)"):
        read(parts)


def test_images_of_different_sizes(parts):
    save(parts / "train/dog/a.png", (0, 0, 0), size=(7, 4))
    message = r"test/cat/c\.png has 6x4 pixels but .*train/dog/a\.png 7x4; resize them to one size"
    for split in ("train", "test"):
        with pytest.raises(RgfError, match=message):
            load(f"folder:{parts}", split)


def truncate(path):
    noise = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    "spoil",
    [truncate, lambda path: path.write_text("no image"), lambda path: path.write_bytes(b"")],
    ids=["truncated", "text", "empty"],
)
def test_an_unreadable_image_is_named_in_one_line(parts, spoil, split):
    spoil(parts / "train/cat/a.png")
    message = (
        r"image .*train/cat/a\.png cannot be read \(.*\); replace it or move it out of the folder$"
    )
    with pytest.raises(RgfError, match=message) as caught:
        load(f"folder:{parts}", split)
    assert "\n" not in str(caught.value)


def test_more_than_8_bits(flat):
    Image.fromarray(np.full((4, 6), 1000, np.uint16)).save(flat / "cat" / "00.png")
    with pytest.raises(RgfError, match=r"cat/00\.png has more than 8 bits per channel; save it"):
        read(flat)


def test_a_class_without_images(parts):
    (parts / "test/cat/c.png").unlink()
    with pytest.raises(
        RgfError, match=r"class folder .*test/cat holds no images \(\.avif, \.bmp, "
    ):
        read(parts)


def test_a_class_in_one_split_only(parts):
    save(parts / "test/bird/a.png", (0, 0, 0))
    with pytest.raises(RgfError, match=r"class 'bird' is in .*test but not in .*train; it must be"):
        read(parts)
    (parts / "test/bird/a.png").rename(parts / "train/cat/z.png")
    (parts / "test/bird").rmdir()
    (parts / "test/dog/a.PNG").rename(parts / "train/cat/y.png")
    (parts / "test/dog").rmdir()
    with pytest.raises(RgfError, match=r"class 'dog' is in .*train but not in .*test; it must be"):
        read(parts)


def test_too_few_images_to_split(flat):
    for number in range(24, 30):
        (flat / f"dog/{number}.png").unlink()
    with pytest.raises(
        RgfError, match=r"class 'dog' of .* has 4 images; splitting needs 5 or more"
    ):
        read(flat)


def test_a_folder_without_classes(tmp_path):
    save(tmp_path / "image.png", 0, "L")
    (tmp_path / ".hidden").mkdir()
    with pytest.raises(RgfError, match="holds no class folders; put the images of each class in"):
        read(tmp_path)


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(RgfError, match=r"folder .*nowhere does not exist"):
        read(tmp_path / "nowhere")
