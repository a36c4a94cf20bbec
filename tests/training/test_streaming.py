"""Data that stays in files: the same batches, losses and weights as data on the device."""

import keras
import numpy as np
import pytest
from recipes import small, trainer

from rgf_keras import backend
from rgf_keras.training import Ensemble, Trainer, streaming
from rgf_keras.training.streaming import Resident, Streamed, place

pytestmark = pytest.mark.backend

IMAGES_PER_STEP = 32
FOUR_STEPS = 4 * IMAGES_PER_STEP * 28 * 28 * 3


@pytest.fixture
def in_a_file(skewed_digits, tmp_path, monkeypatch):
    """Images, memory-mapped; taken to the device by four steps of an epoch of twenty (or 19)."""
    monkeypatch.setattr(streaming, "PART_BYTES", FOUR_STEPS)
    monkeypatch.setattr(Trainer, "_next_chunk", lambda self, chunk, seconds: 3)
    np.save(tmp_path / "images.npy", skewed_digits.images)
    return np.load(tmp_path / "images.npy", mmap_mode="r")


def values(variables):
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in variables]


def assert_same(one, other):
    np.testing.assert_array_equal(one.history.steps, other.history.steps)
    for ours, theirs in zip(values(one.variables), values(other.variables), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("family", ["gan", "conv_vae"])
def test_training_is_bit_for_bit_that_of_resident_data(family, skewed_digits, in_a_file):
    rows = np.arange(3, 620)  # an epoch of 19 steps, whose last part is not full
    resident = trainer(family, skewed_digits.images, rows=rows)
    streamed = trainer(family, in_a_file, rows=rows, streamed=True)
    for training in (resident, streamed):
        training.fit(2)
    assert_same(resident, streamed)


def test_either_goes_on_from_the_others_checkpoint(skewed_digits, in_a_file, tmp_path):
    whole = trainer("vae", skewed_digits.images)
    whole.fit(3)
    for epochs, options in ((1, {}), (2, {"streamed": True}), (3, {"streamed": False})):
        last = trainer("vae", in_a_file, checkpoint_dir=tmp_path / "checkpoints", **options)
        assert len(last.history.epochs) == epochs - 1
        last.fit(epochs)
    assert_same(whole, last)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="ensembles need JAX")
def test_ensembles_too(skewed_digits, in_a_file):
    def ensemble(images, streamed):
        models = [small("vae", seed) for seed in (0, 1)]
        rows = [np.arange(320), np.arange(320, 640)]
        optimizers = {"vae": keras.optimizers.Adam(1e-3)}
        data = {"images": images}
        return Ensemble(models, data, optimizers, (0, 1), rows, batch_size=32, streamed=streamed)

    resident, streamed = ensemble(skewed_digits.images, False), ensemble(in_a_file, True)
    for training in (resident, streamed):
        training.fit(2)
    np.testing.assert_array_equal(resident.history.steps, streamed.history.steps)


@pytest.mark.parametrize("shape", [(7, 4), (7, 2, 2)])
def test_parts_hold_the_rows_of_their_steps(shape, monkeypatch):
    monkeypatch.setattr(streaming, "PART_BYTES", 3 * 4 * (8 + 2))  # three steps
    rng = np.random.default_rng(0)
    arrays = {"a": rng.normal(size=30), "b": rng.integers(0, 9, (30, 2), np.uint8)}
    data = Streamed(arrays)
    for _ in range(2):
        order = rng.permutation(28).reshape(shape).astype(np.int32)
        for step in (0, 1, 2, 5, 6):
            part = data.part(order, step)
            assert part.first == step // 3 * 3
            assert part.order.shape == (3, *shape[1:])
            for name, array in arrays.items():
                rows = keras.ops.convert_to_numpy(part.data[name])
                assert len(rows) == 12
                found = rows[part.order[step - part.first]]
                np.testing.assert_allclose(found, array[order[step]], rtol=1e-6)


def test_a_file_that_cannot_be_read_is_an_error_of_the_training():
    class Broken:
        nbytes = 1

        def __getitem__(self, rows):
            if isinstance(rows, slice):
                return self
            raise OSError("no such disk")

    data = Streamed({"images": Broken()})
    with pytest.raises(OSError, match="no such disk"):
        data.part(np.zeros((2, 3), np.int32), 0)


def test_what_would_take_more_than_half_of_the_device_is_streamed(monkeypatch):
    arrays = {"a": np.zeros(60, np.uint8), "b": np.zeros(40, np.uint8)}
    for memory, kind in ((None, Resident), (200, Resident), (199, Streamed)):
        monkeypatch.setattr(backend, "memory", lambda memory=memory: memory)
        assert isinstance(place(arrays, None), kind)
        assert isinstance(place(arrays, True), Streamed)
        assert isinstance(place(arrays, False), Resident)


def test_the_device_tells_its_memory():
    memory = backend.memory()
    assert memory is None or 2**28 < memory < 2**50
