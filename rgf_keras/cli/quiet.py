"""Keras imported without TensorFlow's start-up lines, which no log level holds back.

Only where ``TF_CPP_MIN_LOG_LEVEL`` is 3, which the command line sets if nobody else did.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


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


if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "3":
    with silent_stderr():
        import keras  # noqa: F401
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
