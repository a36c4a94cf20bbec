"""Pages stay small enough to be sent, and what is on them can still be seen."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from rgf_keras.figures.charts import data_url
from rgf_keras.figures.images import grid
from rgf_keras.reports import pictures, render
from rgf_keras.reports.page import Page


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), np.uint8)
    path = grid(tmp_path_factory.mktemp("noise") / "noise.png", images)
    return data_url(path.read_bytes(), "image/png")


def opened(url):
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def page(grids):
    return Page("Run x", "What?", "That.", grids=grids)


def test_large_pictures_are_made_smaller_and_small_ones_left_alone(noise):
    small = data_url(b"\x89PNG small", "image/png")
    given = page([("small", small), *((f"trial {i}", f"{noise}{' ' * i}") for i in range(20))])
    html = render.render(given, "html")
    assert len(html.encode()) <= pictures.MAX_BYTES
    assert small in html
    assert noise not in html
    shown = pictures.fit(given, sum(len(url) for _, url in given.grids)).grids
    sizes = [opened(url).size for title, url in shown if title != "small"]
    assert min(min(size) for size in sizes) > 200


def test_a_page_that_is_small_keeps_its_pictures(noise):
    assert noise in render.render(page([("one", noise)]), "html")


def test_pixels_that_were_doubled_are_taken_as_they_were():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8)
    doubled = Image.fromarray(pixels.repeat(2, 0).repeat(2, 1))
    assert np.array_equal(pictures._unzoomed(doubled), pixels)
    assert pictures._unzoomed(Image.fromarray(pixels)).size == (6, 8)
