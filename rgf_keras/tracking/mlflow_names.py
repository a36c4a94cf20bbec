"""Names and values as MLflow takes them: what is refused would cost all that is sent with it."""

import re

from rgf_keras.names import HASHED, hashed

# MLflow allows 250 characters, and the name of the tag that holds the original is longer.
MAX_NAME = 220
MAX_PARAM, MAX_TAG = 6000, 8000
MAX_EXPERIMENT_TAG, MAX_DATASET, MAX_INPUT_TAG = 5000, 500, 500
CONTEXT_TAG = "mlflow.data.context"  # what a set of images was for
NOTE_TAG = "mlflow.note.content"  # the description of a run or of an experiment
OUR_NOTE = "**Question:** "  # how those begin that we have written
ORIGINAL = "rgf.name/"  # how tags begin that hold names which had to be changed


def allowed_name(name: str) -> str:
    """The name of a metric, parameter or tag in MLflow: as it is where MLflow takes it.

    Others have what is not allowed replaced, and end with a hash, so that no two become one.

    >>> allowed_name("rgf/z_7")
    'rgf/z_7'
    >>> allowed_name("rgf/z_Benz (CLA)")
    'rgf/z_Benz _CLA_-d3e20543182daeee'
    """
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    cleaned = re.sub(r"^\.\.|[^\w.\- :/]", "_", "/".join(parts))
    if name and cleaned == name and len(name) <= MAX_NAME and not HASHED.search(name):
        return name
    return _hashed(cleaned, name)


def allowed_key(key: str) -> str:
    """What a series of pictures is called in MLflow, which allows fewer characters there.

    >>> allowed_key("samples")
    'samples'
    """
    cleaned = re.sub(r"[^a-zA-Z0-9_\-. ]", "_", key)
    fits = cleaned == key and len(key) <= MAX_NAME and not HASHED.search(key)
    return key if key.strip() and fits else _hashed(cleaned, key)


def allowed_value(value: str, most: int) -> str:
    """A parameter's or tag's value, cut at ``most`` characters, which it then says.

    >>> allowed_value("abc" * 100, 50)
    'abcabcabcabcabcabcabcabcabca… (of 300 characters)'
    """
    value = value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    if len(value) <= most:
        return value
    end = f"… (of {len(value)} characters)"
    return value[: most - len(end)] + end


def _hashed(cleaned: str, name: str) -> str:
    return hashed(cleaned[: MAX_NAME - 17].rstrip("/"), name)
