"""Files of PyTorch weights, read on any backend and never unpickled as they are."""

import json
import struct
from pathlib import Path

import numpy as np

from rgf_keras.errors import RgfError, first_line, how_to_install

SAFETENSORS = ".safetensors"


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """A state dict of float32 tensors, from a ``.safetensors`` file or what ``torch.save`` wrote.

    Raises:
        RgfError: the file is missing or holds something else; PyTorch is needed but not installed.
    """
    try:
        return _safetensors(path) if path.suffix == SAFETENSORS else _torch(path)
    except FileNotFoundError:
        raise RgfError(f"{path} does not exist") from None
    except ImportError:
        raise RgfError(
            f"{path}: only PyTorch reads this file; {how_to_install('torch')}, or save it as "
            f"{SAFETENSORS}"
        ) from None
    except Exception as error:  # torch.load fails in many ways
        raise RgfError(f"{path} is no readable state dict ({first_line(error)})") from error


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    """The format: length of the header, a header of JSON, all tensors in a row."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    arrays = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32":
            start, stop = (8 + length + offset for offset in entry["data_offsets"])
            arrays[name] = np.frombuffer(data[start:stop], "<f4").reshape(entry["shape"])
    return arrays


def _torch(path: Path) -> dict[str, np.ndarray]:
    import torch

    loaded = torch.load(path, map_location="cpu", weights_only=True)
    return {name: t.numpy() for name, t in loaded.items() if t.dtype == torch.float32}
