"""Names of embeddings, told without Keras, which :mod:`rgf_keras.metrics.features` is made of."""

from rgf_keras import plugins
from rgf_keras.errors import RgfError

# keras.applications by the name of their module: the class, and the side they were trained on.
APPLICATIONS = {
    "inception_v3": ("InceptionV3", 299),
    "resnet50": ("ResNet50", 224),
    "vgg16": ("VGG16", 224),
    "mobilenet_v2": ("MobileNetV2", 224),
}
FILES = ("fid", "clean_fid", "torchvision_inception")  # Inception networks of weights from files
EMBEDDINGS = ("oracle", "pixels", *FILES, *APPLICATIONS)


def check(key: str, name: str) -> None:
    """Refuse a name that cannot be an embedding's.

    Args:
        key: what errors call it.
        name: one of ``EMBEDDINGS``, or a guest's, whose code is not run.

    Raises:
        RgfError: nobody knows it, or its module or file does not exist.
    """
    try:
        plugins.check("features", name, EMBEDDINGS)
    except RgfError as error:
        raise RgfError(f"{key}: {error}") from None
