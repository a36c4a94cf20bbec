"""CelebA read from small trees in the release's format."""

import numpy as np
import pytest
from PIL import Image

from rgf_keras.datasets import available, balanced, celeba, load
from rgf_keras.errors import RgfError

# The file, its partition, and the attributes Bald, Eyeglasses and Male.
ROWS = [
    ("000001.jpg", 0, "-1  1 -1"),
    ("000002.jpg", 2, "-1 -1  1"),
    ("000003.jpg", 0, " 1 -1  1"),
    ("000004.jpg", 1, " 1  1  1"),
    ("000005.jpg", 0, "-1  1  1"),
    ("000006.jpg", 2, "-1  1 -1"),
    ("000007.jpg", 0, "-1 -1 -1"),
]
TRAIN = [0, 2, 4, 6]


def face(number):
    """(218, 178, 3) uint8: another smooth picture for every number."""
    down, right = np.mgrid[0:218, 0:178]
    planes = [down + number, right, (down + right) / 2 + 3 * number]
    return np.stack(planes, -1).astype(np.uint8)


def save_attributes(folder, rows=ROWS, names="Bald Eyeglasses Male "):
    lines = [str(len(rows)), names, *(f"{file} {values}" for file, _, values in rows)]
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.delenv("RGF_DATA_DIR", raising=False)
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    for number, (file, _, _) in enumerate(ROWS):
        Image.fromarray(face(number)).save(folder / "img_align_celeba" / file, quality=95)
    lines = "".join(f"{file} {partition}\n" for file, partition, _ in ROWS)
    (folder / "list_eval_partition.txt").write_text(lines)
    return folder


@pytest.mark.parametrize(
    ("split", "kept"), [("train", TRAIN), ("validation", [3]), ("test", [1, 5])]
)
def test_the_partitions(tree, split, kept):
    dataset = celeba.read(tree, split)
    assert dataset.name == f"celeba/{split}"
    assert dataset.image_shape == (32, 32, 3)
    assert dataset.indices.tolist() == kept, "positions in the list"
    assert dataset.labels.tolist() == [0] * len(kept)
    assert dataset.class_names == ("face",)
    assert (dataset.factor, dataset.factor_name, dataset.factor_values) == (None, None, ())


def test_the_papers_crop(tree):
    images = celeba.read(tree, "train").images.astype(int)
    # 148 × 148 pixels from (15, 40) on, in cells of 4.625: what the planes are in their centres.
    centre = (np.arange(32) + 0.5) * 4.625 - 0.5
    for image, number in zip(images, TRAIN, strict=True):
        down, right = np.meshgrid(40 + centre, 15 + centre, indexing="ij")
        expected = np.stack([down + number, right, (down + right) / 2 + 3 * number], -1)
        inner = (image - expected)[1:-1, 1:-1]
        assert np.abs(inner).max() < 4, "JPEG and rounding, but not another box"
        assert np.abs(inner.mean((0, 1))).max() < 1


def test_pixels_outside_the_box_do_not_matter(tree):
    path = tree / "img_align_celeba" / "000001.jpg"
    pixels = np.full((218, 178, 3), 255, np.uint8)
    pixels[40:188, 15:163] = 0
    Image.fromarray(pixels).save(path.with_suffix(".png"))
    path.with_suffix(".png").rename(path)  # Pillow goes by the content
    assert celeba.read(tree, "train").images[0].max() == 0


def test_resizing_is_antialiased(tree):
    stripes = np.zeros((218, 178, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tree / "img_align_celeba" / "000001.jpg", quality=100)
    image = celeba.read(tree, "train").images[0].astype(int)
    assert np.abs(image - 127).max() < 30, "an average of black and white, neither of them"


def test_grey_files_become_rgb(tree):
    Image.new("L", (178, 218), 7).save(tree / "img_align_celeba" / "000001.jpg")
    np.testing.assert_array_equal(celeba.read(tree, "train").images[0], 7)


@pytest.mark.parametrize(
    ("attribute", "train", "test"),
    [("Bald", [0, 1, 0, 0], [0, 0]), ("Male", [0, 1, 1, 0], [1, 0])],
)
def test_an_attribute_is_a_factor(tree, attribute, train, test):
    save_attributes(tree)
    for split, values in (("train", train), ("test", test)):
        dataset = load("celeba", split, data_dir=tree, factor=attribute)
        assert (dataset.factor_name, dataset.factor_values) == (attribute, ("no", "yes"))
        assert dataset.planted.tolist() == values
    assert len(balanced(load("celeba", data_dir=tree, factor=attribute), None, seed=0))


def test_no_factor_unless_it_is_named_and_there(tree):
    plain = celeba.read(tree, "train").fingerprint
    for has_attributes in (False, True):
        for factor in (None, "colour", *(() if has_attributes else ("Bald",))):
            dataset = load("celeba", data_dir=tree, factor=factor)
            assert (dataset.factor, dataset.factor_name, dataset.factor_values) == (None, None, ())
            assert dataset.fingerprint == plain
        save_attributes(tree)


def damage(path):
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    "spoil",
    [damage, lambda path: path.write_text("no image"), lambda path: path.unlink()],
    ids=["truncated", "text", "missing"],
)
def test_unreadable_images_are_left_out_with_one_warning(tree, spoil):
    save_attributes(tree)
    for file in ("000003.jpg", "000007.jpg", "000004.jpg"):  # the last is for validation
        spoil(tree / "img_align_celeba" / file)
    message = r"celeba/train: left out 2 of 4 images.*first .*000003\.jpg; unpack"
    with pytest.warns(UserWarning, match=message) as caught:
        dataset = celeba.read(tree, "train", "Eyeglasses")
    assert len(caught) == 1
    assert dataset.indices.tolist() == [0, 4], "the other images keep theirs"
    assert dataset.planted.tolist() == [1, 1]
    whole = [celeba.SIZE, celeba.SIZE, 3]
    assert list(dataset.images.shape[1:]) == whole
    assert dataset.images.any((1, 2, 3)).all()


def test_no_readable_image_is_an_error(tree):
    for path in (tree / "img_align_celeba").iterdir():
        path.unlink()
    with (
        pytest.warns(UserWarning, match="left out 4 of 4"),
        pytest.raises(RgfError, match=r"img_align_celeba has no readable image for train; unpack"),
    ):
        celeba.read(tree, "train")


def test_images_of_another_size_are_an_error(tree):
    Image.new("RGB", (64, 64)).save(tree / "img_align_celeba" / "000005.jpg")
    message = r"000005\.jpg has 64x64 pixels, not 178x218; unpack img_align_celeba\.zip again$"
    with pytest.raises(RgfError, match=message):
        celeba.read(tree, "train")


def test_a_missing_file_is_named(tree):
    (tree / "list_eval_partition.txt").rename(tree / "away.txt")
    with pytest.raises(RgfError, match=r"list_eval_partition\.txt does not exist; put CelebA's th"):
        load("celeba", data_dir=tree)
    (tree / "away.txt").rename(tree / "list_eval_partition.txt")
    (tree / "img_align_celeba").rename(tree / "away")
    with pytest.raises(RgfError, match=r"img_align_celeba does not exist; unpack img_align_celeba"):
        load("celeba", data_dir=tree)


@pytest.mark.parametrize(
    "line",
    [
        *("", "000001.jpg", "000001.jpg 3", "000001.jpg 0 0", "000001.png 0", "000001 0", "<html>"),
        *("../000001.jpg 0", "/00001.jpg 0", "00/001.jpg 0", "..\\001.jpg 0", "x00001.jpg 0"),
    ],
)
def test_a_corrupt_list_is_named_in_one_line(tree, line):
    (tree / "list_eval_partition.txt").write_text(f"000001.jpg 0\n{line}\n000003.jpg 0\n")
    message = r"list_eval_partition\.txt is corrupt: line 2, '.*', is no 000001\.jpg with a part"
    with pytest.raises(RgfError, match=message) as caught:
        celeba.read(tree, "train")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lists no images of partition 2"),
        (b"000001.jpg 0\n", "lists no images of partition 2"),
        (b"\xff\xfe\x00", "is corrupt .*; replace it by CelebA's"),
    ],
)
def test_a_list_without_images(tree, content, message):
    (tree / "list_eval_partition.txt").write_bytes(content)
    with pytest.raises(RgfError, match=rf"list_eval_partition\.txt {message}"):
        celeba.read(tree, "test")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda lines: [], "is corrupt: it must begin with the number of images, then"),
        (lambda lines: lines[1:], "is corrupt: it must begin with the number of images, then"),
        (lambda lines: ["<html>", *lines], "is corrupt: it must begin with the number of images"),
        (lambda lines: [*lines[:3], lines[3][:-3]], "is corrupt: line 4, '.*', is no file with -1"),
        (lambda lines: [line.replace(" 1 ", " 0 ") for line in lines], "is corrupt: line 3, "),
        (lambda lines: [*lines[:3], *lines[5:]], r"has no line for 000003\.jpg; replace it by"),
    ],
    ids=["empty", "no number", "text", "short line", "neither yes nor no", "missing lines"],
)
def test_corrupt_attributes_are_named_in_one_line(tree, spoil, message):
    save_attributes(tree)
    path = tree / "list_attr_celeba.txt"
    path.write_text("\n".join(spoil(path.read_text().splitlines())))
    with pytest.raises(RgfError, match=rf"list_attr_celeba\.txt {message}") as caught:
        celeba.read(tree, "train", "Eyeglasses")
    assert "\n" not in str(caught.value)
    assert len(celeba.read(tree, "train")) == 4, "who wants no factor needs no attributes"


@pytest.mark.parametrize("given", ["argument", "environment"])
@pytest.mark.parametrize("inside", [True, False])
def test_where_the_files_are_looked_for(tree, monkeypatch, given, inside):
    place = tree if inside else tree.parent
    if given == "environment":
        monkeypatch.setenv("RGF_DATA_DIR", str(place))
        assert available()["celeba"] == str(tree)
    dataset = load("celeba", data_dir=place if given == "argument" else None)
    assert dataset.fingerprint == celeba.read(tree, "train").fingerprint


def test_without_the_files(tmp_path, monkeypatch):
    monkeypatch.delenv("RGF_DATA_DIR", raising=False)
    message = "CelebA is at .*; put its img_align_celeba and list_eval_partition.txt in .* celeba "
    for data_dir in (None, tmp_path):
        with pytest.raises(RgfError, match=message):
            load("celeba", data_dir=data_dir)
    assert available()["celeba"].endswith("looked for in RGF_DATA_DIR")
