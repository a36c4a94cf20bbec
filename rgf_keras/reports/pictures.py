"""Pictures made smaller, so that a page can be sent by mail."""

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from rgf_keras.figures.charts import data_url
from rgf_keras.reports.page import Page

MAX_BYTES = 2_900_000  # of a page
TITLED = ("grids", "copies", "pictures")  # what a page has of them
QUALITY = 80  # of WebP
SMALLEST = 160  # pixels: what is smaller shows nothing


def fit(page: Page, num_bytes: int) -> Page:
    """The page with pictures so small that all of it has at most ``MAX_BYTES``.

    Args:
        page: what is reported.
        num_bytes: that it has now.
    """
    kinds = {name: getattr(page, name) for name in TITLED}
    urls = [url for titled in kinds.values() for _, url in titled]
    free = MAX_BYTES - (num_bytes - sum(map(len, urls)))
    most = _share(sorted(map(len, urls)), free)
    small = {url: _shrink(url, most) for url in set(urls)}
    parts: dict[str, Any] = {
        name: [(title, small[url]) for title, url in kinds[name]] for name in TITLED
    }
    return replace(page, **parts)


def _share(sizes: Sequence[int], free: int) -> int:
    """How large each may be at most, where smaller ones leave what they do not need to others."""
    for i, size in enumerate(sizes):
        share = max(free, 0) // (len(sizes) - i)
        if size > share:
            return share
        free -= size
    return max(sizes, default=0)


def _shrink(url: str, most: int) -> str:
    """A picture in at most so many characters, or as few as can be."""
    if len(url) <= most:
        return url
    content = base64.b64decode(url.partition(",")[2])
    image = _unzoomed(Image.open(io.BytesIO(content)).convert("RGB"))
    while True:
        file = io.BytesIO()
        image.save(file, "WEBP", quality=QUALITY)
        url = data_url(file.getvalue(), "image/webp")
        if len(url) <= most or max(image.size) <= SMALLEST:
            return url
        shrunk = 0.95 * (most / len(url)) ** 0.5
        image = image.resize([max(1, round(shrunk * side)) for side in image.size])


def _unzoomed(image: Image.Image) -> Image.Image:
    """A picture whose pixels were doubled, as they were; others as they are."""
    pixels = np.asarray(image)
    halved = pixels[::2, ::2]
    doubled = halved.repeat(2, 0).repeat(2, 1)
    return Image.fromarray(halved) if np.array_equal(doubled, pixels) else image
