"""Computes a result that takes a while, and tells when it did."""

import sys
import time

import numpy as np

from rgf_keras.cache import Cache


def compute():
    print("computed", flush=True)
    time.sleep(1)
    return {"x": np.arange(3)}


Cache(sys.argv[1]).get("thing", {"a": 1}, compute)
