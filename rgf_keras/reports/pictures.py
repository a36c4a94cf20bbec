"""Pictures made smaller, so that a page can be sent by mail."""

import base64
import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from rgf_keras.figures.charts import data_url
from rgf_keras.reports.page import Page

MAX_BYTES = 2_900_000  # of a page
TITLED = ("grids", "copies", "pictures")  # what a page has of them
QUALITIES = (90, 75, 50)  # of WebP
SIDES = (1600, 1100, 800, 550, 400, 280)  # pixels


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
    smaller = {name: [(title, _shrink(url, most)) for title, url in kinds[name]] for name in TITLED}
    return replace(page, **smaller)


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
    for side in SIDES:
        image.thumbnail((side, side))
        for quality in QUALITIES:
            file = io.BytesIO()
            image.save(file, "WEBP", quality=quality)
            url = data_url(file.getvalue(), "image/webp")
            if len(url) <= most:
                return url
    return url


def _unzoomed(image: Image.Image) -> Image.Image:
    """A picture whose pixels were doubled, as they were; others as they are."""
    pixels = np.asarray(image)
    halved = pixels[::2, ::2]
    doubled = halved.repeat(2, 0).repeat(2, 1)
    return Image.fromarray(halved) if np.array_equal(doubled, pixels) else image
