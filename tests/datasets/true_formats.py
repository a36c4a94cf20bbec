"""Small files in the formats of the data sets that are not bundled."""

import numpy as np
from PIL import Image
from test_cifar import save as save_cifar
from test_compcars import save_cells

from rgf_keras import archive
from rgf_keras.datasets import cifar, mnist

PER_CELL = 40  # cars of each make and colour
CARS = (("Volkswagen", 0, 20), ("Volkswagen", 1, 240), ("Toyota", 0, 30), ("Toyota", 1, 250))


def save_all(folder, monkeypatch):
    """MNIST, CIFAR-10, CIFAR-10.1, CelebA and CompCars in one folder."""
    save_mnist(folder, monkeypatch)
    save_cifar(folder / cifar.FOLDERS["cifar10"], num_per_batch=80)
    save_cifar_10_1(folder / "cifar10.1")
    save_celeba(folder / "celeba")
    save_compcars(folder / "compcars" / "sv_data")
    monkeypatch.setenv("RGF_DATA_DIR", str(folder))


def save_mnist(folder, monkeypatch, num_train=800, num_test=200):
    """A mnist.npz that passes for the real one."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, num in (("train", num_train), ("test", num_test)):
        arrays[f"x_{name}"] = rng.integers(0, 256, (num, 28, 28)).astype(np.uint8)
        arrays[f"y_{name}"] = (np.arange(num) % 10).astype(np.uint8)
    np.savez(folder / mnist.FILE, **arrays)
    monkeypatch.setattr(mnist, "SHA256", archive.digest(arrays))


def save_cifar_10_1(folder, num=40):
    folder.mkdir()
    images = np.random.default_rng(1).integers(0, 256, (num, 32, 32, 3)).astype(np.uint8)
    np.save(folder / cifar.IMAGES_10_1, images)
    np.save(folder / cifar.LABELS_10_1, np.arange(num, dtype=np.int32) % 10)


def save_celeba(folder, num=120):
    """Two thirds for training, the others for validation and testing."""
    (folder / "img_align_celeba").mkdir(parents=True)
    lines = []
    for i in range(num):
        name = f"{i + 1:06d}.jpg"
        Image.new("RGB", (178, 218), (i, 2 * i, 255 - i)).save(folder / "img_align_celeba" / name)
        lines.append(f"{name} {max(0, i % 6 - 3)}\n")
    (folder / "list_eval_partition.txt").write_text("".join(lines))


def save_compcars(folder, per_cell=PER_CELL, per_cell_of_test=10):
    """Cars of the paper's makes and colours: a make has its own shape."""
    rng = np.random.default_rng(2)
    colours, lists = [], {"train": [], "test": []}
    for model, (make, number, level) in enumerate(CARS, 1):
        (folder / "image" / str(model)).mkdir(parents=True)
        for i in range(per_cell + per_cell_of_test):
            pixels = rng.integers(level - 15, level + 6, (32, 32, 3)).astype(np.uint8)
            pixels[8:24, 8 : 12 if make == "Toyota" else 24] = 128
            file = f"{model}/{i}.jpg"
            Image.fromarray(pixels).save(folder / "image" / file)
            colours.append((file, number))
            lists["train" if i < per_cell else "test"].append(file)
    for name, files in lists.items():
        (folder / f"{name}_surveillance.txt").write_text("".join(f"{file}\n" for file in files))
    rows = [(make, "", 100 + i) for i, (make, *_) in enumerate(CARS)]
    save_cells(folder / "sv_make_model_name.mat", rows)
    save_cells(folder / "color_list.mat", colours)
