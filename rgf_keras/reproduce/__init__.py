"""The papers' tables, made again: each is a study whose trials are the runs that it needs."""

from collections.abc import Callable

from rgf_keras.errors import RgfError
from rgf_keras.reproduce import rejection, rgf, score
from rgf_keras.reproduce.reproduction import SCALES, Reproduction

# By paper: what makes a reproduction of an item at a scale, and the tables, the first by default.
Make = Callable[[str, str, int | None], Reproduction]
PAPERS: dict[str, tuple[Make, tuple[str, ...]]] = {
    "rgf": (rgf.reproduction, rgf.TABLES),
    "mr": (rejection.reproduction, rejection.TABLES),
    "score": (score.reproduction, score.TABLES),
}
FIGURES: dict[str, tuple[str, ...]] = {
    "rgf": rgf.FIGURES,
    "mr": rejection.FIGURES,
    "score": score.FIGURES,
}
# By paper: what differs from it at a scale, a sentence each.
DEVIATIONS: dict[str, Callable[[str], list[str]]] = {
    "rgf": rgf.deviations,
    "mr": rejection.deviations,
    "score": score.deviations,
}


def find(
    paper: str,
    table: str | None = None,
    scale: str = "smoke",
    figure: str | None = None,
    trainings: int | None = None,
) -> Reproduction:
    """What makes a paper's table or figure again.

    Args:
        paper: a key of ``PAPERS``.
        table: as the paper numbers it; the first that is known if None.
        scale: one of ``SCALES``.
        figure: as the paper numbers it, instead of a table.
        trainings: of each model; the scale's if None.

    Raises:
        RgfError: unknown paper, table, figure or scale; a table and a figure.
    """
    if paper not in PAPERS:
        raise RgfError(f"unknown paper '{paper}'; known: {', '.join(PAPERS)}")
    if table and figure:
        raise RgfError("give a --table or a --figure, not both")
    make, tables = PAPERS[paper]
    name = figure or table or tables[0]
    kind, known = ("figure", FIGURES[paper]) if figure else ("table", tables)
    if name not in known:
        raise RgfError(f"{paper} has no {kind} '{name}'; known: {', '.join(known)}")
    if scale not in SCALES:
        raise RgfError(f"unknown scale '{scale}'; known: {', '.join(SCALES)}")
    return make(f"figure {name}" if figure else name, scale, trainings)


def items(paper: str) -> list[tuple[str, str, str]]:
    """All tables and figures: a title, and what :func:`find` takes for it, e.g. table, 1."""
    tables = [(f"Table {name}", "table", name) for name in PAPERS[paper][1]]
    return tables + [(f"Figure {name}", "figure", name) for name in FIGURES[paper]]


__all__ = ["DEVIATIONS", "FIGURES", "PAPERS", "SCALES", "Reproduction", "find", "items"]
