"""Images that a run was made from, as a record names them."""

from typing import Any, Protocol


class Images(Protocol):
    """What a record tells of a set of images; :class:`rgf_keras.datasets.Dataset` is one."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def image_shape(self) -> tuple[int, int, int]: ...
    @property
    def factor_name(self) -> str | None: ...
    @property
    def factor_values(self) -> tuple[str, ...]: ...
    def __len__(self) -> int: ...


def describe(images: Images, context: str) -> dict[str, Any]:
    """A set of images as JSON: its name, a hash of its content, its size, its split and factor.

    Args:
        images: the set.
        context: what it is for, e.g. ``"training"``.
    """
    _, slash, split = images.name.rpartition("/")
    tags = {"split": split} if slash else {}
    if images.factor_name:
        tags |= {"factor": images.factor_name, "factor_values": ", ".join(images.factor_values)}
    return {
        "name": images.name,
        "digest": images.fingerprint[:16],
        "context": context,
        "num_images": len(images),
        "image_shape": list(images.image_shape),
        "tags": tags,
    }
