"""Keras imported without TensorFlow's start-up lines, which no log level holds back."""

import logging
import os
import sys


def import_keras() -> None:
    """Import Keras, silently where ``TF_CPP_MIN_LOG_LEVEL`` is 3 as ``choose_backend`` sets it.

    Commands call it once they have checked all that can be checked without Keras. Meanwhile what
    is written to the process's stderr, also by C++, is dropped.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3":
        return
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import keras  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
