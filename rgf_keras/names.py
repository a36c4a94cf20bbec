"""What users write, where it becomes a file's name or a database's address."""

import hashlib
import re
import unicodedata
from pathlib import Path

from rgf_keras.errors import ArgumentError
from rgf_keras.masking import masked

MAX_BYTES = 200  # file systems take 255, some of which are for what is appended
HASHED = re.compile(r"-[0-9a-f]{16}\Z")  # how names end that were changed
RESERVED = {
    *("con", "prn", "aux", "nul"),
    *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)),
}


def check_name(name: str, option: str) -> str:
    """A name that may be that of a folder, as it was given.

    Args:
        name: what a user wrote.
        option: where, e.g. ``--name``, for the error.

    Raises:
        ArgumentError: it is empty, too long, reserved, or leads to another folder.

    >>> check_name("rare colour [2]", "--name")
    'rare colour [2]'
    """
    if slash := re.search(r"[/\\]", name):
        reason = f"has '{slash[0]}', which no folder's name may have"
    elif any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        reason = "has a character that cannot be printed"
    elif not name.strip():
        reason = "is empty"
    elif name[0] in ".- " or name[-1] in ". ":
        reason = "begins or ends with a dot, a dash or a space"
    elif name.split(".")[0].rstrip().lower() in RESERVED:
        reason = "is reserved on Windows"
    elif len(name.encode()) > MAX_BYTES:
        reason = f"is longer than {MAX_BYTES} bytes"
    else:
        return name
    name = masked(name, name)
    shown = ascii(name if len(name) <= 20 else f"{name[:20]}...")
    raise ArgumentError(f"{option} {shown} {reason}; use letters, digits, - and _")


def file_name(text: str) -> str:
    """A file's name for any text, no two of which get the same one.

    >>> file_name("pixels"), file_name("a/b")
    ('pixels', 'a-b-c14cddc033f64b9d')
    """
    cleaned = re.sub(r"[^\w.+-]", "-", text)[:100]
    is_plain = cleaned == text and text[:1] not in ("", ".") and not HASHED.search(text)
    return text if is_plain else hashed(cleaned, text)


def hashed(cleaned: str, text: str) -> str:
    """A cleaned text with the hash of what it was, so that no two become one."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{cleaned}-{digest}"


def sqlite_url(file: Path) -> str:
    """The address of a SQLite file, however its path is written.

    >>> sqlite_url(Path("/data/a b/optuna.db"))
    'sqlite:////data/a b/optuna.db'
    >>> sqlite_url(Path("/data/what?/optuna.db"))
    'sqlite+pysqlite:////data/what%3F/optuna.db'
    """
    path = str(file.resolve())
    quoted = re.sub("[%?#]", lambda char: f"%{ord(char[0]):02X}", path)
    # MLflow makes the folders of `sqlite:///` paths, as they are written.
    return f"sqlite{'' if quoted == path else '+pysqlite'}:///{quoted}"
