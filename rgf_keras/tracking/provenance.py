"""Which code made a result: the installed package, and the folder that a command was run in."""

import os
import subprocess
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
