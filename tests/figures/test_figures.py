"""Figures: PNGs of the right size from arrays, and nothing global changed."""

import base64
import re
import subprocess
import sys
from functools import partial

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from rgf_keras.figures import charts, copying, images, preview, rejection, scores
from rgf_keras.metrics.copying import Copying
from rgf_keras.metrics.frechet import Estimate

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 8, 6, 3), dtype=np.uint8)
NEAR = Copying(
    space="pixels",
    c_t=Estimate(-1.0, -2.0, 0.5),
    p_value=0.2,
    distance=0.5,
    distance_test=0.4,
    authenticity=0.9,
    generated=RNG.random(40),
    nearest=RNG.integers(0, 40, 40),
    test=RNG.random(30),
    relative=RNG.random(40),
    relative_test=RNG.random(30),
)
LOSSES = [{"real_loss/f0": 0.7, "real_loss/f1": 0.9}, {"real_loss/f0": 0.6, "real_loss/f1": 1.0}]
VALUES = RNG.normal(size=40)
PNGS = {
    "grids": partial(images.grids, titled={"a": IMAGES[:8], "b": IMAGES[8:20]}),
    "real_loss": partial(images.real_loss, curves={"balanced": LOSSES}),
    "pairs": partial(copying.plot_pairs, generated=IMAGES, train=IMAGES, copying=NEAR),
    "distances": partial(copying.plot_distances, copying=NEAR),
    "percentiles": partial(copying.plot_percentiles, generated=IMAGES, copying=NEAR),
    "tradeoff": partial(
        rejection.plot_tradeoff, points={"none": (9.0, NEAR.c_t)}, x_label="x", y_label="y"
    ),
    "bars": partial(
        rejection.plot_bars, c_t={"none": {"a": 1.0}, "auto": {"a": 2.0, "b": 3.0}}, x_label="x"
    ),
    "gallery": partial(scores.plot_gallery, images=IMAGES, score=VALUES),
    "log_prob": partial(scores.plot_log_prob, log_prob=VALUES, high=VALUES > 1),
    "quantiles": partial(
        scores.plot_quantiles, by_epoch={1: VALUES, 2: VALUES + 1}, quantiles=(0.5, 0.9)
    ),
    "densities": partial(scores.plot_densities, scores={"a": VALUES, "b": VALUES + 1}),
    "losses": partial(
        scores.plot_losses, losses=np.ones((2, 3)), elbo={"all images": [-3.0, -2.0, -1.0]}
    ),
    "rho": partial(scores.plot_neighbour_ratio, score=VALUES, rho=RNG.random(40)),
}


@pytest.mark.parametrize("name", PNGS)
def test_a_figure_is_a_file_where_it_was_asked_for(tmp_path, name):
    path = PNGS[name](tmp_path / "folder" / f"{name}.png")
    assert path == tmp_path / "folder" / f"{name}.png"
    with Image.open(path) as image:
        assert min(image.size) > 100
        assert len(np.unique(np.asarray(image))) > 2  # not empty


def test_images_are_tiled_in_rows_on_white():
    tiled = images.tile(IMAGES[:3], columns=2, pad=1)
    assert tiled.shape == (2 * 9 + 1, 2 * 7 + 1, 3)
    np.testing.assert_array_equal(tiled[1:9, 8:14], IMAGES[1])
    np.testing.assert_array_equal(tiled[10:18, 1:7], IMAGES[2])
    assert (tiled[10:18, 8:14] == 255).all()
    grey = images.tile(IMAGES[:1, ..., :1], columns=1)
    assert grey.shape == (12, 10, 3)


def test_a_grid_is_the_images_enlarged(tmp_path):
    with Image.open(images.grid(tmp_path / "grid.png", IMAGES[:4], columns=4, zoom=3)) as image:
        np.testing.assert_array_equal(np.asarray(image)[::3, ::3], images.tile(IMAGES[:4], 4))


def test_a_preview_has_a_row_per_class_and_a_block_per_value(tmp_path):
    labels, factor = np.arange(40) % 3, np.arange(40) // 20
    names = {"class_names": ("a", "b", "c"), "factor_values": ("plain", "thick")}
    show = partial(preview.plot_preview, images=IMAGES, labels=labels, factor=factor, **names)
    sizes = []
    for measurements in ({}, {"length": (VALUES, factor)}):
        with Image.open(show(tmp_path / "preview.png", measurements=measurements)) as image:
            sizes.append(image.size)
    assert sizes[0][0] == sizes[1][0]
    assert sizes[1][1] > sizes[0][1] + 200  # the measurements' histograms are below


def test_the_pareto_front_is_on_the_better_side():
    points = [
        charts.Point(str(i), (x,), (y, y - 1, y + 1), True, i == 0, i == 2)
        for i, (x, y) in enumerate([(1.0, 5.0), (2.0, 3.0), (3.0, 4.0), (4.0, 1.0)])
    ]
    fronts = {}
    for better in ("lower", "higher", ""):
        axis = Figure().subplots()
        charts.plot_pareto(axis, points, "quality", "objective", bound=2.5, better=better)
        assert axis.get_xlabel() == "quality"
        stairs = [line for line in axis.lines if line.get_drawstyle() == "steps-post"]
        fronts[better] = [list(zip(*line.get_data(), strict=True)) for line in stairs]
    assert fronts == {"lower": [[(1, 5), (2, 3), (4, 1)]], "higher": [[(4, 1)]], "": []}


def test_charts_for_both_kinds_of_page_differ_and_change_nothing():
    before = dict(matplotlib.rcParams)
    picture = charts.themed(partial(charts.plot_real_loss, curves={"balanced": LOSSES}), "a note")
    again = charts.themed(partial(charts.plot_real_loss, curves={"balanced": LOSSES}), "a note")
    assert dict(matplotlib.rcParams) == before
    assert picture == again  # no date, no random names
    light, dark = (
        base64.b64decode(url.removeprefix("data:image/svg+xml;base64,")).decode()
        for url in (picture.light, picture.dark)
    )
    assert light.count("<svg") == dark.count("<svg") == 1
    assert light != dark
    assert not re.search(r"<text\b", light)  # fonts are paths


def test_means_of_equally_filled_bins():
    x, y = np.arange(8.0), np.array([1, 3, 5, 5, 0, 2, 4, 8.0])
    centres, means, halves = scores.bin_means(x, y, 4)
    np.testing.assert_allclose(centres, [0.5, 2.5, 4.5, 6.5])
    np.testing.assert_allclose(means, [2, 5, 1, 6])
    np.testing.assert_allclose(halves, 1.96 * np.array([1, 0, 1, 2]))


def test_no_figure_needs_pyplot(tmp_path):
    names = "charts, copying, images, preview, rejection, scores"
    code = (
        "import matplotlib, sys, numpy as np\n"
        "before = {k: v for k, v in matplotlib.rcParams.items() if k != 'backend'}\n"
        f"from rgf_keras.figures import {names}\n"
        "from rgf_keras.reports import compare, outcome, page\n"
        f"scores.plot_densities(__import__('pathlib').Path({str(tmp_path / 'x.png')!r}), "
        "{'a': np.arange(9.0)})\n"
        "charts.themed(lambda axis: axis.plot([0, 1]))\n"
        "after = {k: v for k, v in matplotlib.rcParams.items() if k != 'backend'}\n"
        "print(before == after, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"], done.stderr
