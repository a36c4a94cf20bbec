"""Keras imported without TensorFlow's start-up lines, which no log level holds back."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def import_keras() -> None:
    """Import Keras, silently where ``TF_CPP_MIN_LOG_LEVEL`` is 3 as :func:`choose_backend` sets it.

    The commands call it once they have checked all that can be checked without Keras.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3":
        return
    with silent_stderr():
        import keras  # noqa: F401
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Inside, what is written to the process's stderr, also by C++, is dropped."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
