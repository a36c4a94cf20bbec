"""A factor of one's own: a white frame around the image.

A configuration names it so: `data: {factor: "my_factor.py:Frame", factor_parameters: {width: 2}}`.
`rgf data preview --factor my_factor.py:Frame` shows what it does.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """Draws a frame around the images that have it.

    Args:
        width: of the frame, in pixels.
    """

    width: int = 2
    name: str = "frame"

    @property
    def values(self):
        """The last is the rare one, which the skewed set gives to one class."""
        return "plain", "framed"

    def apply(self, images, assignment, indices, seed, cache=None, progress=None):
        """Images (N, H, W, C) uint8 with the values (N,) of `assignment`, positions in `values`.

        What is random must be drawn by `seed` and an image's number in `indices` (N,) alone; what
        is costly can be kept in `cache`. A frame is neither.
        """
        framed = images.copy()
        for edge in (slice(0, self.width), slice(-self.width, None)):
            framed[assignment == 1, edge] = 255
            framed[assignment == 1, :, edge] = 255
        return framed
