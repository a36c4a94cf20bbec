"""The names of embeddings, checked without Keras, which :mod:`rgf_keras.metrics.features` needs."""

from rgf_keras import plugins

# keras.applications by the name of their module: the class, and the side they were trained on.
APPLICATIONS = {
    "inception_v3": ("InceptionV3", 299),
    "resnet50": ("ResNet50", 224),
    "vgg16": ("VGG16", 224),
    "mobilenet_v2": ("MobileNetV2", 224),
}
INCEPTIONS = ("fid", "clean_fid", "torchvision_inception")  # whose weights come from files
EMBEDDINGS = ("oracle", "pixels", *INCEPTIONS, *APPLICATIONS)


def check(key: str, name: str) -> None:
    """Refuse a name that cannot be an embedding's.

    Args:
        key: what errors call it.
        name: one of ``EMBEDDINGS``, or a guest's, whose code is not run.

    Raises:
        ArgumentError: nobody knows it, or its module or file does not exist.
    """
    plugins.check("features", name, EMBEDDINGS, key)
