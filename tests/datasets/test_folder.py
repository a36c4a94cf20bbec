"""Folders of images, with and without a split and a table of factors."""

import csv
import os
import unicodedata

import numpy as np
import odd_images
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_images import ORIENTATIONS, exif, pixels
from PIL import Image

from rgf_keras.datasets import load
from rgf_keras.datasets.tables import read_table
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
        (("file", "f"), [("cat/x.png", "1")], "'cat/x.png' is no image of .*; leave its row out"),
        (("file", "f"), [("../pets/" + FILES[0], "1")], "is no image of"),
        (("file", "f"), [("stray/image.png", "1")], "'stray/image.png' is no image of"),
        (("file", "f"), [(FILES[0], "1"), (FILES[0], "2")], "has two rows; keep one"),
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


# Images as people have them


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_photographs_are_turned_upright(tmp_path, orientation, suffix):
    shown = {}
    for number in range(10):
        stored = pixels(number)
        file = tmp_path / "ab"[number % 2] / f"{number}.{suffix}"
        options = {"lossless": True} if suffix == "webp" else {}
        odd_images.save(file, stored, exif=exif(orientation), **options)
        shown[file.relative_to(tmp_path).as_posix()] = ORIENTATIONS[orientation](stored)
    images = [shown[name] for name in sorted(shown)]
    for part in read(tmp_path):
        np.testing.assert_array_equal(part.images, [images[index] for index in part.indices])


def test_sizes_are_those_that_are_shown(flat):
    odd_images.save(flat / "dog/20.png", np.zeros((4, 6), np.uint8), exif=exif(6))
    with pytest.raises(RgfError, match=r"has 6x4 pixels but .*20\.png 4x6; resize them"):
        read(flat)
    odd_images.save(flat / "dog/20.png", np.zeros((6, 4), np.uint8), exif=exif(8))
    read(flat)


@pytest.mark.parametrize(("mode", "value"), [("LA", (9, 0)), ("RGBA", (9, 9, 9, 0))])
def test_transparent_images_are_put_on_white(tmp_path, mode, value):
    for number in range(10):
        image = Image.new(mode, (6, 4), value)
        image.paste((0,) * (len(mode) - 1) + (255,), (1, 1, 3, 3))
        odd_images.save(tmp_path / "ab"[number % 2] / f"{number}.png", image)
    for part in read(tmp_path):
        expected = np.full((4, 6), 255)
        expected[1:3, 1:3] = 0
        assert (part.images == expected[..., None]).all()


def test_white_ink_that_vanishes_on_white_is_told(flat):
    odd_images.save(flat / "dog/20.png", Image.new("LA", (6, 4), (255, 0)))
    with pytest.warns(
        UserWarning, match=r"1 of 30 images are transparent and blank on white, the fi"
    ):
        read(flat)


def test_what_is_left_out_is_told(flat):
    for name in ("cat/more/a.png", "beside.png", "cat/.hidden.png", "cat/.DS_Store", "dog/a.heic"):
        save(flat / "x.png", 0)
        (flat / name).parent.mkdir(exist_ok=True)
        (flat / "x.png").rename(flat / name)
    message = (
        r"left out 1 files of other suffixes \(first dog/a\.heic\), 1 hidden files and folders "
        r"\(first cat/\.hidden\.png\), 2 images not directly in a class folder \(first beside\.png"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        assert sum(map(len, read(flat))) == 30
    assert len(caught) == 2, "one for each split that was read"


@pytest.mark.parametrize("suffix", ["jfif", "ppm", "jpe", "dib", "avif"])
def test_more_suffixes(flat, suffix):
    odd_images.save(flat / "dog" / f"30.{suffix}", np.zeros((4, 6, 3), np.uint8))
    assert sum(map(len, read(flat))) == 31


def test_further_frames_are_told(flat):
    frames = [Image.new("L", (6, 4), value) for value in (1, 2)]
    odd_images.save(flat / "dog/20.gif", frames[0], save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match=r"1 further frames and pages .* \(first dog/20\.gif\)"):
        read(flat)


def test_a_pipe_is_not_waited_for(flat):
    os.mkfifo(flat / "dog/30.png")
    with pytest.raises(RgfError, match=r"30\.png is a pipe, device or folder; only files are read"):
        read(flat)


@pytest.mark.parametrize("kind", ["eps", "huge"])
def test_files_that_are_no_images_at_all(flat, kind):
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n%%EndComments\n%%EOF\n"
    (flat / "dog/20.png").write_bytes({"eps": eps, "huge": odd_images.huge(99_999, 99_999)}[kind])
    with pytest.raises(RgfError, match=r"20\.png (cannot be read|has more than \d+ pixels)"):
        read(flat)


def test_parts_that_are_called_otherwise(parts):
    (parts / "test").rename(parts / "val")
    (parts / "stray/image.png").unlink()
    (parts / "stray").rmdir()
    message = r"holds train and val, which look like parts .*; call two of them train and test, or "
    with pytest.raises(RgfError, match=message):
        read(parts)


def test_one_class_in_two_spellings(flat):
    save(flat / "Dog/a.png", 0, "L")
    with pytest.raises(RgfError, match="holds 'Dog' and 'dog', one class in two spellings; rename"):
        read(flat)


def test_classes_in_two_unicode_forms_are_one(tmp_path):
    for part, form in (("train", "NFC"), ("test", "NFD")):
        save(tmp_path / part / unicodedata.normalize(form, "Füße") / "a.png", 0, "L")
    train, test = read(tmp_path)
    assert train.class_names == test.class_names == (unicodedata.normalize("NFC", "Füße"),)


# What tables write


def table_of(values):
    return list(zip(FILES, values, strict=True))


@pytest.mark.parametrize(
    "word", ["NA", "nan", "NaN", "none", "None", "NULL", "n/a", "#N/A", "-", "?"]
)
def test_a_word_for_what_is_missing_is_no_value(parts, word):
    save_table(parts, ("file", "hat"), table_of(["red", "blue", "red", word, "blue"]))
    with pytest.raises(RgfError) as caught:
        read(parts)
    assert f"hat of 'train/cat/b.bmp' is {word!r}, which tables write" in str(caught.value)
    assert "name all values that are meant: data.factor_parameters={values: [" in str(caught.value)
    train, _ = [load(f"folder:{parts}", x, values=["red", word]) for x in ("train", "test")]
    assert word in train.factor_values, "as the user says"
    assert read(parts, factor="colour")[0].factor is None, "other columns do not matter"


@pytest.mark.parametrize(
    "other", ["Dark red", "dark  red", "DARK RED", "dark\u00a0red", "da\u0301rk red"]
)
def test_one_value_in_two_spellings(parts, other):
    plain = "d\u00e1rk red" if "\u0301" in other else "dark red"
    save_table(parts, ("file", "hue"), table_of(["blue", plain, other, plain, plain]))
    with pytest.raises(RgfError) as caught:
        read(parts)
    assert f"hue is written {min(plain, other)!r} and {max(plain, other)!r}; " in str(caught.value)
    dataset = load(f"folder:{parts}", values=[plain, other])
    assert {plain, other} <= set(dataset.factor_values), "as the user says"


def test_values_stay_text(parts):
    save_table(parts, ("file", "code"), table_of(["007", "07", "7", "1e1", "007"]))
    dataset = read(parts)[0]
    assert set(dataset.factor_values) == {"007", "07", "7", "1e1"}
    assert dataset.with_values([7]).factor_values == ("7",)
    with pytest.raises(RgfError, match="'70' is no value of 'code'"):
        dataset.with_values([70])


def test_rows_without_an_image_say_what_is_near(parts):
    rows = [*table_of("xxxyy"), ("train/cat/bb.bmp", "x")]
    save_table(parts, ("file", "f"), rows)
    with pytest.raises(RgfError, match=r"or correct it; did you mean 'train/cat/b\.bmp'\?"):
        read(parts)


SPELLINGS = (
    str,
    lambda name: f"./{name}",
    lambda name: name.replace("/", "\\"),
    lambda name: f".\\{name}".replace("/", "\\"),
    lambda name: unicodedata.normalize("NFD", name),
    lambda name: unicodedata.normalize("NFC", name),
    lambda name: name.replace("/", "//"),
)
WORDS = st.text("abñéüß ナ漢 %[]'-", min_size=1, max_size=6).map(str.strip).filter(bool)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(names=st.lists(WORDS, min_size=1, max_size=4, unique=True), data=st.data())
def test_files_are_found_however_a_table_writes_them(tmp_path_factory, names, data):
    files = [f"class {name}/{name}.png" for name in names]
    written = [data.draw(st.sampled_from(SPELLINGS))(name) for name in files]
    path = tmp_path_factory.mktemp("table") / "factors.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = zip(written, map(str, range(len(files))), strict=True)
        csv.writer(file).writerows([("file", "number"), *rows])
    assert read_table(path, files)["number"].checked() == list(map(str, range(len(files))))


def test_two_files_that_differ_in_their_unicode_form(tmp_path):
    names = [f"a/{unicodedata.normalize(form, 'é')}.png" for form in ("NFC", "NFD")]
    save_table(tmp_path, ("file", "f"), [(names[1], "x"), (names[0], "y")])
    path = tmp_path / "factors.csv"
    assert read_table(path, names)["f"].values == ("y", "x")
    save_table(tmp_path, ("file", "f"), [(f"./{names[0]}", "x"), (names[1], "y")])
    with pytest.raises(RgfError, match=r"may be .* or .*; write it as one of them"):
        read_table(path, names)
