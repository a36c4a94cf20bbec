"""Which code made a result: the package, the user's file, the packages that are installed."""

import contextlib
import functools
import getpass
import hashlib
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import rgf_keras

SECONDS = 5  # for git, which may wait for a file system


def provenance() -> dict[str, str]:
    """How the package is installed; commits where git is there and the folder is a repository's."""
    package = Path(rgf_keras.__file__).parent
    source = "wheel"
    if not _is_installed(package):
        words = "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=, changed"
        commit = _git(package.parent, *words) if (package.parent / ".git").exists() else ""
        source = f"checkout {commit}".rstrip()
    found = {"source/rgf_keras": source}
    if commit := _git(Path.cwd(), "rev-parse", "--short=12", "HEAD"):
        found["commit/current_folder"] = commit
    return found


@functools.cache
def source_tags(file: Path | None = None) -> dict[str, str]:
    """MLflow's tags for the code that runs, its commit and who runs it; what is known of them.

    The commit is that of the file's repository, else of the package's; never the current folder's.

    Args:
        file: what the user has written of the code; the script that runs if None and it is not
            a command of ``rgf``.
    """
    command = os.environ.get("RGF_COMMAND", "")
    script = Path(sys.argv[0]) if sys.argv and sys.argv[0].endswith(".py") else None
    own = file or (None if command else script)
    package = Path(rgf_keras.__file__).parent
    name = str(own) if own else " ".join(command.split()[:2]) or package.name
    tags = {"mlflow.source.name": name, "mlflow.source.type": "LOCAL"}
    commit = _git(own.resolve().parent, "rev-parse", "HEAD") if own and own.exists() else ""
    if not commit and (package.parent / ".git").exists() and not _is_installed(package):
        commit = _git(package.parent, "rev-parse", "HEAD")
    if commit:
        tags["mlflow.source.git.commit"] = commit
    with contextlib.suppress(KeyError, OSError):  # no account
        tags["mlflow.user"] = getpass.getuser()
    return tags


@functools.cache
def packages() -> str:
    """The exact packages of this environment, as `pip install -r` reads them.

    Names of folders tell them: reading what is in each would take a second.
    """
    found = {
        info.name.removesuffix(".dist-info").replace("-", "==", 1)
        for folder in sys.path
        for info in Path(folder or ".").glob("*.dist-info")
    }
    python = f"# Python {platform.python_version()} on {platform.platform()}"
    return "\n".join([python, *sorted(found, key=str.lower)]) + "\n"


def packages_key() -> str:
    """A short hash of :func:`packages`: trials of one study may run on several machines."""
    return hashlib.sha256(packages().encode()).hexdigest()[:12]


def _is_installed(package: Path) -> bool:
    """Whether the package lies where pip put it, not where its source is developed."""
    try:
        place = Path(str(metadata.distribution("rgf-keras").locate_file(package.name)))
    except metadata.PackageNotFoundError:
        return False
    return place.exists() and place.samefile(package)


def _git(folder: Path, *arguments: str) -> str:
    """What git answers about a folder; nothing if it is not there or knows no such repository."""
    others = {name: x for name, x in os.environ.items() if not name.startswith("GIT_")}
    try:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=SECONDS, env=others
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
