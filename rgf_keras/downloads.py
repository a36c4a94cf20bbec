"""Files that are downloaded once, into Keras' cache."""

import os
from pathlib import Path

from rgf_keras.errors import RgfError


def keras_cache() -> Path:
    """Where Keras keeps data sets: ``$KERAS_HOME``, else ``~/.keras``, without a home in /tmp."""
    home = os.path.expanduser("~")
    default = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    return Path(os.path.expanduser(os.environ.get("KERAS_HOME") or default), "datasets")


def download(url: str, sha256: str, contents: str) -> Path:
    """A file in Keras' cache, downloaded if it is not there yet.

    Args:
        url: where from.
        sha256: of the file.
        contents: what to put into a folder instead, for the error.

    Raises:
        RgfError: it cannot be downloaded.
    """
    import keras  # only here: importing Keras fixes the backend

    try:
        return Path(keras.utils.get_file(origin=url, file_hash=sha256))
    except Exception as error:  # get_file raises bare Exception when a download fails
        raise RgfError(
            f"cannot download {url} ({error}); put {contents} in a folder and set RGF_DATA_DIR to "
            "the folder"
        ) from error
