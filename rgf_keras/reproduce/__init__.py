"""The papers' tables, made again: each is a study whose trials are the runs that it needs."""

from collections.abc import Callable

from rgf_keras.errors import RgfError
from rgf_keras.reproduce import rejection, rgf, score
from rgf_keras.reproduce.reproduction import SCALES, Reproduction

# By paper: what makes a reproduction of a table at a scale, and the tables, the first by default.
PAPERS: dict[str, tuple[Callable[[str, str], Reproduction], tuple[str, ...]]] = {
    "rgf": (rgf.reproduction, rgf.TABLES),
    "mr": (rejection.reproduction, rejection.TABLES),
    "score": (score.reproduction, score.TABLES),
}


def find(paper: str, table: str | None = None, scale: str = "smoke") -> Reproduction:
    """What makes a paper's table again.

    Args:
        paper: a key of ``PAPERS``.
        table: as the paper numbers it; the first that is known if None.
        scale: one of ``SCALES``.

    Raises:
        RgfError: unknown paper, table or scale.
    """
    if paper not in PAPERS:
        raise RgfError(f"unknown paper '{paper}'; known: {', '.join(PAPERS)}")
    make, tables = PAPERS[paper]
    table = table or tables[0]
    if table not in tables:
        raise RgfError(f"{paper} has no table '{table}'; known: {', '.join(tables)}")
    if scale not in SCALES:
        raise RgfError(f"unknown scale '{scale}'; known: {', '.join(SCALES)}")
    return make(table, scale)


__all__ = ["PAPERS", "SCALES", "Reproduction", "find"]
