"""Colours that everyone can tell apart, and labels that do not overlap."""

from functools import partial
from itertools import combinations, pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from rgf_keras.figures import charts, images, rejection, style
from rgf_keras.figures.charts import Point
from rgf_keras.metrics.frechet import Estimate

PAGES = {"light": ("#fdfdfb", style.ON_LIGHT), "dark": ("#15171a", style.ON_DARK)}
# How those who lack a kind of cone see linear RGB (Machado, Oliveira and Fernandes 2009, Table 1).
SIGHTS = {
    "full": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour):
    """Linear RGB of a colour (IEC 61966-2-1)."""
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(*colours):
    """Contrast ratio of two colours (WCAG 2.2)."""
    low, high = sorted(linear(each) @ [0.2126, 0.7152, 0.0722] for each in colours)
    return (high + 0.05) / (low + 0.05)


def lab(rgb):
    """CIE L*a*b* of linear RGB, for D65."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.maximum(np.array(to_xyz) @ rgb / [0.9505, 1, 1.089], 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("page", PAGES)
def test_colours_are_seen_on_their_page(page):
    background, colours = PAGES[page]
    assert min(contrast(each, background) for each in colours) >= 3


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("page", PAGES)
def test_the_first_colours_are_told_apart_by_everyone(page, sight):
    seen = [lab(np.array(SIGHTS[sight]) @ linear(each)) for each in PAGES[page][1][:3]]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 20


def boxes_of_texts(figure):
    figure.canvas.draw()
    texts = [each for each in figure.findobj(matplotlib.text.Text) if each.get_text().strip()]
    return {
        f"{each.get_text()} {i}": each.get_window_extent()
        for i, each in enumerate(texts)
        if each.get_visible()
    }


@pytest.mark.parametrize("num_points", [3, 12, 200])
def test_names_of_points_do_not_overlap(num_points):
    rng = np.random.default_rng(num_points)
    xy = rng.normal(size=(num_points, 2)) ** 3  # most lie close together
    points = [
        Point(f"trial {i}", (x, x - 1, x + 1), (y, y - 1, y + 1), i % 2 == 0, i == 0, i == 1)
        for i, (x, y) in enumerate(xy)
    ]
    axis = Figure((6, 4)).subplots()
    charts.plot_pareto(axis, points, "quality", "gap", bound=0.5)
    boxes = boxes_of_texts(axis.figure)
    names = {name for name in boxes if name.startswith("trial")}
    assert {"trial 0", "trial 1"} <= {name.rpartition(" ")[0] for name in names}
    for name, other in combinations(names, 2):
        assert not boxes[name].overlaps(boxes[other]), (name, other)
    inside = axis.get_window_extent()
    assert all(inside.containsx(boxes[name].x0) for name in names)
    assert all(inside.containsx(boxes[name].x1) for name in names)


def test_names_below_bars_do_not_overlap(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(rejection, "save", lambda axis, path: drawn.append(axis))
    names = ("airplane", "automobile", "bird", "ship and other boats", "truck")
    c_t = {f"0.{i}": dict.fromkeys((*names, *map(str.upper, names)), 1.0) for i in range(2)}
    rejection.plot_bars(tmp_path / "x.png", c_t, "class")
    labels = drawn[0].get_xticklabels()
    drawn[0].figure.canvas.draw()
    rotations = {each.get_rotation() for each in labels}
    ends = [each.get_window_extent().x1 for each in labels]  # they end below their bars
    assert rotations == {40}
    assert min(b - a for a, b in pairwise(ends)) > labels[0].get_fontsize()


def test_thresholds_beside_each_other_are_named_apart(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(rejection, "save", lambda axis, path: drawn.append(axis))
    points = {f"0.1{i}": (9 + i / 1000, Estimate(-1, -2, 0)) for i in range(5)}
    rejection.plot_tradeoff(tmp_path / "x.png", points, "x", "y")
    boxes = [box for name, box in boxes_of_texts(drawn[0].figure).items() if "τ" in name]
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_pictures_have_these_colours_and_nothing_else_changes(monkeypatch, tmp_path):
    before = dict(matplotlib.rcParams)
    seen = []
    plot = partial(lambda axis: seen.append(axis.plot([1])[0].get_color()))
    images.save_plot(tmp_path / "x.png", plot)
    assert seen == [style.ON_LIGHT[0]]
    assert dict(matplotlib.rcParams) == before
