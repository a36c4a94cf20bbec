"""The studies that come with the package, by name, and the start of one's own.

They lie in ``studies/`` of a checkout, and in the package of a wheel.
"""

import ast
from pathlib import Path

from rgf_keras.errors import RgfError, unknown_name

PACKAGE = Path(__file__).parent
FOLDERS = (PACKAGE / "bundled_studies", PACKAGE.parent / "studies")
START = Path(__file__).with_name("new_study.txt")


def studies() -> dict[str, Path]:
    """The files of the package's studies, by name."""
    folder = next((each for each in FOLDERS if each.is_dir()), None)
    files = sorted(folder.glob("*.py")) if folder else []
    return {file.stem: file for file in files}


def find(given: Path) -> Path:
    """A study's file: one that exists, else the package's of this name.

    Raises:
        RgfError: there is none.
    """
    known = studies()
    if given.is_file():
        return given
    if given.suffix or len(given.parts) > 1:
        raise RgfError(f"study file {given} does not exist")
    if given.name not in known:
        raise unknown_name("study", given.name, known)
    return known[given.name]


def title(file: Path) -> str:
    """The first line of a study's file, which is not run."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def write_start(path: Path) -> None:
    """Write a small study with comments, to begin one's own with.

    Raises:
        RgfError: the file is there already, or is no Python file's name.
    """
    if path.suffix != ".py":
        raise RgfError(f"{path}: a study's file must end in .py")
    if path.exists():
        raise RgfError(f"{path} is there already; give another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(START.read_text(encoding="utf-8"), encoding="utf-8")
