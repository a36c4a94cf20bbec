"""Folders, archives, arrays, data sets and functions as sources of images."""

import io
import os
import struct
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_images import NAMES, ORIENTATIONS, exif, huge, odd, on, pixels, save
from PIL import Image

from rgf_keras.datasets import image_archives, load
from rgf_keras.datasets.image_files import BROKEN, FRAMES, HIDDEN, LINKS, OTHER, SPECIAL
from rgf_keras.datasets.image_sources import open_source
from rgf_keras.errors import RgfError


def images(source, size=3):
    return [image for batch in source.batches(size) for image in batch]


def refused(spec, message, **options):
    """Opening or reading a source is refused, in one line."""
    with pytest.raises(RgfError, match=message) as caught:
        images(open_source(spec, **options))
    assert "\n" not in str(caught.value)


# Folders


def test_an_odd_corpus_is_read_as_viewers_show_it(tmp_path):
    shown = dict(odd(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = open_source(tmp_path)
    assert source.names == tuple(sorted(shown))
    assert (source.labels, source.class_names, source.left_out) == (None, (), {})
    for name, image in zip(source.names, images(source), strict=True):
        assert image.dtype == np.uint8
        expected = np.broadcast_to(shown[name], (*shown[name].shape[:2], 3))
        np.testing.assert_array_equal(image, expected, err_msg=name)


def test_names_are_kept(tmp_path):
    for number, name in enumerate(NAMES):
        save(tmp_path / name, pixels(number))
    source = open_source(tmp_path)
    assert sorted(source.names) == sorted(NAMES)
    for name, image in zip(source.names, images(source), strict=True):
        np.testing.assert_array_equal(image, pixels(NAMES.index(name)))


def test_names_that_are_no_text_stay_on_one_line(tmp_path):
    save(tmp_path / "a.png", pixels(0)).rename(tmp_path / os.fsdecode(b"a\nb\xff.png"))
    assert open_source(tmp_path).names == (r"a\nb\udcff.png",)


@pytest.mark.parametrize("ground", [(255, 255, 255), (0, 0, 0), (10, 200, 30)])
def test_transparency_shows_the_ground(tmp_path, ground):
    colour, alpha = pixels(1), pixels(2, channels=1)
    save(tmp_path / "a.png", np.concatenate([colour, alpha], -1))
    save(tmp_path / "b.webp", np.concatenate([colour, alpha], -1), lossless=True, exact=True)
    grey = np.concatenate([colour[..., :1], alpha], -1)
    save(tmp_path / "c.png", Image.fromarray(grey))
    for image, front in zip(
        images(open_source(tmp_path, ground=ground)),
        (colour, colour, colour[..., :1].repeat(3, -1)),
        strict=True,
    ):
        assert np.abs(image - on(ground, front, alpha[..., 0])).max() <= 1


def test_a_transparent_colour_of_a_palette_or_of_grey_shows_the_ground(tmp_path):
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([1, 2, 3, 4, 5, 6])
    save(tmp_path / "a.png", palette, transparency=1)
    save(tmp_path / "b.png", np.array([[[7], [8]]], np.uint8), transparency=8)
    save(tmp_path / "c.png", Image.fromarray(np.array([[514, 515]], np.uint16)), transparency=515)
    first, second, third = images(open_source(tmp_path))
    assert first.tolist() == [[[1, 2, 3], [255, 255, 255]]]
    assert second.tolist() == [[[7, 7, 7], [255, 255, 255]]]
    assert third.tolist() == [[[2, 2, 2], [255, 255, 255]]]


def test_grey_stays_grey_unless_the_ground_is_coloured(tmp_path):
    save(tmp_path / "a.png", Image.fromarray(pixels(1, channels=2)))
    assert images(open_source(tmp_path))[0].shape == (5, 7, 1)
    assert images(open_source(tmp_path, ground=(1, 2, 3)))[0].shape == (5, 7, 3)


def test_class_folders_of_any_depth(tmp_path):
    for name in ("dog/a.png", "cat/deep/er/b.png", "cat/a.png"):
        save(tmp_path / name, pixels(len(name)))
    source = open_source(tmp_path)
    assert source.names == ("cat/a.png", "cat/deep/er/b.png", "dog/a.png")
    assert (source.labels.tolist(), source.class_names) == ([0, 0, 1], ("cat", "dog"))
    assert [len(batch) for batch in source.batches(2)] == [2, 1]
    save(tmp_path / "beside.png", pixels(0))
    source = open_source(tmp_path)
    assert (len(source), source.labels, source.class_names) == (4, None, ())


def test_a_table_of_labels(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        save(tmp_path / name, pixels(0))
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n./b.png,007\na.png,07\nc.png,007\n")
    source = open_source(tmp_path)
    assert (source.labels.tolist(), source.class_names) == ([1, 0, 0], ("007", "07"))
    assert source.left_out == {}
    table.write_text("file,label\na.png,x\nb.png,NA\nc.png,x\n")
    refused(tmp_path, r"labels\.csv: label of 'b\.png' is 'NA', which tables write for what is mis")
    table.write_text("file,class\na.png,x\nb.png,x\nc.png,x\n")
    refused(tmp_path, r"labels\.csv has the columns file, class; it must be file,label")


def test_what_is_left_out_is_named(tmp_path):
    save(tmp_path / "a.png", pixels(0))
    save(tmp_path / ".b.png", pixels(0))
    save(tmp_path / ".git" / "c.png", pixels(0))
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / ".DS_Store").write_text("")
    (tmp_path / "d.heic").write_text("")
    (tmp_path / "link.png").symlink_to("a.png")
    os.mkfifo(tmp_path / "pipe")
    frames = [Image.fromarray(pixels(number)) for number in range(2)]
    save(tmp_path / "moves.gif", frames[0], save_all=True, append_images=frames[1:])
    assert open_source(tmp_path).left_out == {
        HIDDEN: (".b.png", ".git/"),
        OTHER: ("d.heic", "notes.txt"),
        LINKS: ("link.png",),
        SPECIAL: ("pipe",),
        FRAMES: ("moves.gif",),
    }


def test_a_folder_without_images(tmp_path):
    refused(tmp_path, r"holds no images \(it is empty\); suffixes of images are \.avif, ")
    (tmp_path / "a.txt").write_text("")
    refused(tmp_path, r"holds no images \(left out: 1 files of other suffixes: a\.txt\)")


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "val"), ("Training",)])
def test_parts_of_a_data_set_are_not_mixed(tmp_path, parts):
    for part in parts:
        save(tmp_path / part / "cat" / "a.png", pixels(0))
    refused(tmp_path, "look like parts of a data set; name one of them, e.g. ")
    save(tmp_path / "car" / "a.png", pixels(0))
    assert len(open_source(tmp_path)) == len(parts) + 1, "a class may be called train"


def test_a_link_out_of_the_folder(tmp_path):
    save(tmp_path / "secret.png", pixels(0))
    save(tmp_path / "images" / "a.png", pixels(0))
    (tmp_path / "images" / "b.png").symlink_to(tmp_path / "secret.png")
    refused(tmp_path / "images", r"images/b\.png is a link out of .*; copy what it points to")


def test_a_link_to_a_folder_outside_or_inside(tmp_path):
    save(tmp_path / "images" / "cat" / "a.png", pixels(0))
    link = tmp_path / "images" / "link"
    link.symlink_to("cat")
    assert open_source(tmp_path / "images").left_out == {LINKS: ("link",)}
    link.unlink()
    link.symlink_to("..")
    refused(tmp_path / "images", "images/link is a link out of")


def test_a_pipe_that_is_called_an_image(tmp_path):
    save(tmp_path / "a.png", pixels(0))
    os.mkfifo(tmp_path / "b.png")
    refused(tmp_path, r"b\.png is a pipe or device; only files are read, move it away")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-60])


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) (w) file\n%%EOF\n"
BAD = {
    "truncated": truncate,
    "text": lambda path: path.write_text("no image"),
    "empty": lambda path: path.write_bytes(b""),
    "eps": lambda path: path.write_bytes(EPS),
    "nowhere": lambda path: (path.unlink(), path.symlink_to("nowhere.png")),
    "huge": lambda path: path.write_bytes(huge(60_000, 60_000)),
    "large": lambda path: path.write_bytes(huge(10_000, 10_000)),
    "endless": lambda path: path.write_bytes(huge(2**31 - 1, 2**31 - 1)),
    "float": lambda path: Image.new("F", (3, 3)).save(path, "TIFF"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_image_is_named_or_left_out(tmp_path, kind):
    for name in ("a.png", "b.png", "c.png"):
        save(tmp_path / name, pixels(ord(name[0]), 20, 20))
    BAD[kind](tmp_path / "b.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused(tmp_path, r"^image .*/b\.png (cannot be|has more than \d+ pixels|has 32 bits per)")
        source = open_source(tmp_path, skip_broken=True)
    assert (source.names, source.left_out) == (("a.png", "c.png"), {BROKEN: ("b.png",)})
    for image, seed in zip(images(source), b"ac", strict=True):
        np.testing.assert_array_equal(image, pixels(seed, 20, 20))


def test_nothing_but_bad_images(tmp_path):
    (tmp_path / "a.png").write_text("")
    refused(tmp_path, r"no images \(left out: 1 images that cannot be read: a", skip_broken=True)


def test_inks_of_a_jpeg(tmp_path):
    ink = Image.new("CMYK", (16, 16), (0, 51, 204, 51))
    save(tmp_path / "a.jpg", ink, quality=95)
    expected = [204, 163, 41]  # (1 − ink) · (1 − black)
    assert np.abs(images(open_source(tmp_path))[0].astype(int) - expected).max() <= 4


def test_a_folder_however_it_is_written(tmp_path):
    save(tmp_path / "it" / "a.png", pixels(0))
    (tmp_path / "link").symlink_to("it")
    for spec in (tmp_path / "it", f"{tmp_path}/it/", f"folder:{tmp_path}/it", tmp_path / "link"):
        source = open_source(spec)
        assert (source.name, source.names) == (str(spec), ("a.png",))


# Archives


def pack(path, files):
    """A zip or tar of names and contents."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files:
                archive.writestr(name, content)
        return path
    mode = {".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def content(seed):
    file = io.BytesIO()
    Image.fromarray(pixels(seed)).save(file, "PNG")
    return file.getvalue()


KINDS = ("a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz")
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
def test_an_archive_is_read_where_it_is(tmp_path, kind):
    names = ["b/x.png", "a/ñ 1%.png", "a/y.png"]
    files = [(name, content(seed)) for seed, name in enumerate(names)]
    files[1:1] = [("b/notes.txt", b""), ("__MACOSX/b/._x.png", b"")]
    source = open_source(pack(tmp_path / kind, files))
    assert source.names == tuple(names)
    assert (source.labels.tolist(), source.class_names) == ([1, 0, 0], ("a", "b"))
    assert source.left_out == {OTHER: ("b/notes.txt",), HIDDEN: ("__MACOSX/b/._x.png",)}
    for _ in range(2):
        for seed, image in enumerate(images(source)):
            np.testing.assert_array_equal(image, pixels(seed))
    assert [path.name for path in tmp_path.iterdir()] == [kind], "nothing is unpacked"


@each_kind
def test_a_bad_image_in_an_archive(tmp_path, kind):
    files = [("a.png", content(0)), ("b.png", content(1)[:-60]), ("c.png", content(2))]
    path = pack(tmp_path / kind, files)
    refused(path, rf"image .*{kind}/b\.png cannot be read")
    source = open_source(path, skip_broken=True)
    assert (source.names, source.left_out) == (("a.png", "c.png"), {BROKEN: ("b.png",)})
    np.testing.assert_array_equal(images(source), [pixels(0), pixels(2)])


@each_kind
@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "b/../../a.png", "b\\..\\..\\a.png"])
def test_paths_out_of_an_archive(tmp_path, kind, name):
    refused(pack(tmp_path / kind, [(name, content(0))]), "a path out of it; pack it again")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@each_kind
def test_a_name_that_comes_twice(tmp_path, kind):
    refused(pack(tmp_path / kind, [("a.png", content(0))] * 2), r"holds a\.png 2 times")


@each_kind
def test_a_bomb(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(image_archives, "FREE_BYTES", 2**20)
    monkeypatch.setattr(image_archives, "MAX_RATIO", 5)
    path = pack(tmp_path / kind, [("a.png", content(0)), ("b.png", bytes(4 * 2**20))])
    if kind != "a.tar":
        refused(path, "unpacks to more than 5 times its size, as no images do")
    monkeypatch.setattr(image_archives, "MAX_FILE_BYTES", 2**20)
    refused(path, r"holds b\.png of 4194304 bytes; an image may have 1048576")


@each_kind
@pytest.mark.parametrize("damage", ["cut", "zeros", "empty", "text"])
def test_a_damaged_archive(tmp_path, kind, damage):
    noise = [(f"{seed}.png", content(seed)) for seed in range(9)]
    path = pack(tmp_path / kind, noise)
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:half],
            "zeros": whole[:half] + bytes(600) + whole[half + 600 :],
            "empty": b"",
            "text": b"no archive" * 200,
        }[damage]
    )
    refused(path, "cannot be (read|unpacked)")


def test_a_tar_with_a_damaged_header_in_the_middle(tmp_path):
    path = pack(tmp_path / "a.tar", [(f"{seed}.png", content(seed)) for seed in range(3)])
    whole = bytearray(path.read_bytes())
    place = whole.index(b"1.png")
    whole[place : place + 5] = b"9.png"
    path.write_bytes(whole)
    refused(path, "cannot be read as an archive")


def test_a_bomb_beside_the_images(tmp_path, monkeypatch):
    monkeypatch.setattr(image_archives, "FREE_BYTES", 2**20)
    monkeypatch.setattr(image_archives, "MAX_RATIO", 5)
    files = [("notes.txt", bytes(4 * 2**20)), ("a.png", content(0))]
    refused(pack(tmp_path / "a.tar.gz", files), "unpacks to more than 5 times its size")
    assert len(open_source(pack(tmp_path / "a.zip", files))) == 1, "which is not unpacked"


def test_links_and_devices_in_a_tar(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("b.png", tarfile.SYMTYPE), ("c.png", tarfile.CHRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        member = tarfile.TarInfo("a.png")
        member.size = len(content(0))
        archive.addfile(member, io.BytesIO(content(0)))
    source = open_source(tmp_path / "a.tar")
    assert (source.names, source.left_out) == (("a.png",), {SPECIAL: ("b.png", "c.png")})


def test_an_encrypted_zip(tmp_path):
    path = pack(tmp_path / "a.zip", [("a.png", content(0))])
    whole = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(signature) + flags] |= 1
    path.write_bytes(whole)
    refused(path, "is encrypted; unpack it and name the folder")


def test_a_forged_size_in_a_zip(tmp_path):
    path = pack(tmp_path / "a.zip", [("a.png", content(0))])
    whole = bytearray(path.read_bytes())
    place = whole.index(b"PK\x01\x02") + 24
    whole[place : place + 4] = struct.pack("<I", 10)
    path.write_bytes(whole)
    refused(path, r"a\.png cannot be")


# Arrays


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["npy", "npz", "compressed"])
@pytest.mark.parametrize(
    ("shape", "channels"), [((9, 8, 6, 3), 3), ((9, 8, 6, 1), 1), ((9, 3, 8, 6), 3), ((9, 8, 6), 1)]
)
def test_an_array_in_a_file(tmp_path, monkeypatch, kind, shape, channels, order):
    monkeypatch.setattr("rgf_keras.datasets.image_arrays.AT_ONCE", 300)
    values = pixels(0, 1, np.prod(shape), 1).reshape(shape)
    array = np.asarray(values, order=order)
    path = tmp_path / ("a.npy" if kind == "npy" else "a.npz")
    write = {"npy": np.save, "npz": np.savez, "compressed": np.savez_compressed}[kind]
    write(path, array)
    source = open_source(path)
    assert (source.name, len(source), source.names[:2]) == (str(path), 9, ("0", "1"))
    expected = array[..., None] if len(shape) == 3 else array
    expected = np.moveaxis(array, 1, 3) if shape[1] == 3 else expected
    assert expected.shape == (9, 8, 6, channels)
    np.testing.assert_array_equal(images(source), expected)


@pytest.mark.parametrize("value_range", [(0, 1), (-1, 1), (0, 255)])
def test_floats_in_a_stated_range(tmp_path, value_range):
    least, most = value_range
    exact = pixels(0, 4, 5 * 6, 3).reshape(4, 5, 6, 3)
    np.save(tmp_path / "a.npy", (least + exact / 255 * (most - least)).astype(np.float32))
    source = open_source(tmp_path / "a.npy", value_range=value_range)
    np.testing.assert_array_equal(images(source), exact)


SMALL = np.linspace(0, 1, 2 * 5 * 6 * 3).reshape(2, 5, 6, 3)


@pytest.mark.parametrize(
    ("array", "value_range", "message"),
    [
        (SMALL, None, r"holds floats from 0 to 1; say with value_range what black and white are"),
        (SMALL * 2, (0, 1), r"from 0 to 2, which are not in \[0, 1\]; clip them, or say their"),
        (SMALL - 0.5, (0, 1), r"from -0\.5 to 0\.5, which are not in \[0, 1\]"),
        (SMALL, (-1, 1), r"of which none is negative; \[-1, 1\] can hardly be their range"),
        (SMALL, (0, 255), r"all black in \[0, 255\]; say their range"),
        ((SMALL > 0.5).astype(np.uint8), None, r"all black in \[0, 255\]; multiply them by 255"),
        ((SMALL * 1000).astype(np.int64), None, r"from 0 to 1000, which are not in \[0, 255\]"),
        (np.where(SMALL > 0.9, np.nan, SMALL), (0, 1), "image 1 holds NaN or infinity"),
        (SMALL, (0, 2), r"value_range must be one of .* received \(0, 2\)"),
        (SMALL.astype(bool), None, "must hold arrays of integers or floats, received bool"),
        (np.array([{}]), None, "cannot be read as arrays"),
        (SMALL[:0], (0, 1), "holds no images"),
        (
            SMALL[0],
            (0, 1),
            r"has the shape \(5, 6, 3\), as one image has; save it as",
        ),
        (SMALL[0, 0], (0, 1), r"has the shape \(6, 3\); images are \(N, H, W, C\) or"),
        (SMALL[..., :2], (0, 1), r"\(2, 5, 6, 2\), which is not 1 or 3 channels on"),
        (SMALL[:, :3], (0, 1), r"may be NHWC or NCHW; say which at its end, e\.g\. FILE\.npy:NCHW"),
    ],
)
def test_arrays_that_are_refused(tmp_path, array, value_range, message):
    np.save(tmp_path / "a.npy", array)
    refused(tmp_path / "a.npy", message, value_range=value_range)
    np.savez(tmp_path / "a.npz", array)
    refused(f"{tmp_path / 'a.npz'}:arr_0", message, value_range=value_range)


@pytest.mark.parametrize(("layout", "shape"), [("NHWC", (3, 7, 3)), ("NCHW", (7, 3, 3))])
def test_a_layout_is_told(tmp_path, layout, shape):
    np.save(tmp_path / "a.npy", pixels(0, 4 * 3, 7, 3).reshape(4, 3, 7, 3))
    assert images(open_source(f"{tmp_path / 'a.npy'}:{layout}"))[0].shape == shape


def test_several_arrays_in_a_file(tmp_path):
    path = tmp_path / "a.npz"
    digits = pixels(0, 4 * 6, 7, 3).reshape(4, 6, 7, 3)
    np.savez(path, images=digits, labels=[7, 3, 7, 7], other=np.zeros(4))
    source = open_source(path)
    assert (source.labels.tolist(), source.class_names) == ([1, 0, 1, 1], ("3", "7"))
    np.savez(path, x=digits, y=[0, 1, 2, 3], z=255 - digits)
    refused(path, r"must hold one array of images, but holds x \(4, 6, 7, 3\), y .*:x$")
    np.testing.assert_array_equal(images(open_source(f"{path}:z")), 255 - digits)
    np.testing.assert_array_equal(images(open_source(f"{path}:z:NHWC")), 255 - digits)
    refused(f"{path}:w", r"unknown array of .* 'w'; known: x, y, z")


def test_our_own_archive_of_a_data_set(tmp_path):
    dataset = load("mnist-10k", "test")
    source = open_source(dataset.save(tmp_path / "digits.npz"))
    np.testing.assert_array_equal(images(source), dataset.images)
    np.testing.assert_array_equal(source.labels, dataset.labels)


@pytest.mark.parametrize("kind", ["npy", "npz"])
@pytest.mark.parametrize("damage", ["cut", "forged", "empty", "text"])
def test_a_damaged_array(tmp_path, kind, damage):
    path = tmp_path / f"a.{kind}"
    array = pixels(0, 40, 40, 30).reshape(40, 20, 20, 3)
    (np.save if kind == "npy" else np.savez)(path, array)
    whole = path.read_bytes()
    forged = whole.replace(b"(40, 20, 20, 3)", b"(9**9, 9**9, 3)")
    told, room = b"(40, 20, 20, 3), }", b" " * 20
    large = whole.replace(told + room, b"(99999999, 99999999, 9999, 3), }".ljust(len(told + room)))
    assert large != whole
    for each in {
        "cut": [whole[: len(whole) // 2], whole[:70]],
        "forged": [forged, large, whole.replace(b"(40, 20", b"(90, 20")],
        "empty": [b""],
        "text": [b"no array" * 99],
    }[damage]:
        path.write_bytes(each)
        refused(path, "cannot be read as arrays .*; save it again")


# Names and functions


def test_a_data_set_by_name():
    for name, split in (("mnist-10k", "train"), ("mnist-10k/train", "train")):
        source, dataset = open_source(name), load("mnist-10k", split)
        assert (source.name, len(source)) == (name, len(dataset))
        assert source.names[:2] == tuple(map(str, dataset.indices[:2]))
        np.testing.assert_array_equal(next(source.batches(5)), dataset.images[:5])
        np.testing.assert_array_equal(source.labels, dataset.labels)
    assert len(open_source("mnist-10k/test")) == 2000


GUEST = """
import numpy as np
from rgf_keras.datasets import load
calls = []
def batches(split):
    for seed in range(3):
        yield np.random.default_rng(seed).random((4, 6, 5, 3))
def array(): return np.full((2, 6, 5, 3), 7, np.uint8)
def dataset(split): return load("mnist-10k", split)
def changing():
    calls.append(1)
    yield np.full((len(calls), 6, 5, 1), 7, np.uint8)
def mixed():
    yield np.zeros((2, 6, 5, 1)); yield np.zeros((2, 6, 5, 3))
def fails(): raise KeyError("x")
def later():
    yield np.zeros((2, 6, 5, 1)); raise KeyError("x")
def number(): return 3
def strings(): return ["a"]
text = "a"
"""


def test_functions_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(GUEST)
    source = open_source("mine.py:batches", value_range=(0, 1))
    assert (len(source), source.names[-1]) == (12, "11")
    expected = np.rint(255 * np.random.default_rng(2).random((4, 6, 5, 3)))
    for _ in range(2):
        np.testing.assert_array_equal(images(source)[8:], expected)
    assert np.unique(images(open_source("mine.py:array"))).tolist() == [7]
    assert len(open_source("mine.py:dataset/test")) == 2000
    refused("mine.py:changing", "'mine.py:changing' gives other images each time; fix its seed")
    refused("mine.py:mixed", "up to 2 have 1 channels, then 3 of float64", value_range=(0, 1))
    refused("mine.py:fails", "'mine.py:fails' fails: KeyError: 'x'")
    refused("mine.py:later", "'mine.py:later' fails: KeyError: 'x'")
    refused("mine.py:number", "'mine.py:number' fails: TypeError")
    refused("mine.py:strings", "must hold arrays of integers or floats, received str")
    refused("mine.py:text", "'mine.py:text' is a str; it must be a function")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere", "unknown data set 'nowhere'; known: .*a folder, FILE.npy"),
        ("nowhere.npy", r"there is no file or folder nowhere\.npy; name a folder, FILE"),
        ("/nowhere", "there is no file or folder /nowhere; name a folder"),
        ("nowhere/train", "there is no file or folder nowhere/train; name a folder"),
        ("mnist-10k/val", "unknown data set 'mnist-10k/val'"),
        (__file__, r"is none of a folder, FILE\.npy"),
        ("/dev/null", "is none of a folder"),
    ],
)
def test_what_nobody_knows(spec, message):
    refused(spec, message)


def test_arguments(tmp_path):
    refused(tmp_path, "ground must be three integers", ground=(0, 0, 256))
    with pytest.raises(RgfError, match="size must be at least 1, received 0"):
        open_source("mnist-10k/test").batches(0)


# Properties


@settings(max_examples=40, deadline=None, derandomize=True)
@given(content=st.binary(max_size=300), cut=st.integers(0, 90), place=st.integers(0, 500))
def test_any_bytes_are_an_image_or_one_line(tmp_path_factory, content, cut, place):
    folder = tmp_path_factory.mktemp("any")
    path = save(folder / "a.png", pixels(0))
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + content + whole[place + cut :])
    try:
        (image,) = images(open_source(folder))
    except RgfError:
        refused(folder, r"a\.png")
    else:
        assert (image.ndim, image.dtype) == (3, np.uint8)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(KINDS), changes=st.dictionaries(st.integers(0, 2000), st.integers(0, 255))
)
def test_a_changed_archive_is_read_or_refused_in_one_line(tmp_path_factory, kind, changes):
    files = [(f"{seed}.png", content(seed)) for seed in range(3)]
    path = pack(tmp_path_factory.mktemp("changed") / kind, files)
    whole = bytearray(path.read_bytes())
    for place, value in changes.items():
        whole[place % len(whole)] = value
    path.write_bytes(whole)
    try:
        images(open_source(path))
    except RgfError:
        refused(path, kind)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    orientation=st.integers(1, 8),
    channels=st.sampled_from([1, 2, 3, 4]),
)
def test_orientation_commutes_with_reading(tmp_path_factory, height, width, orientation, channels):
    folder = tmp_path_factory.mktemp("turned")
    stored = pixels(1, height, width, channels)
    image = Image.fromarray(stored[..., 0] if channels == 1 else stored)
    save(folder / "a.png", image)
    save(folder / "b.png", image, exif=exif(orientation))
    plain, turned = images(open_source(folder))
    np.testing.assert_array_equal(turned, ORIENTATIONS[orientation](plain))
