"""Reports as one self-contained page, or their tables alone as Markdown, LaTeX or CSV."""

import csv
from pathlib import Path
from typing import Literal

import jinja2

from rgf_keras import __version__
from rgf_keras.errors import RgfError
from rgf_keras.reports.page import Page

Format = Literal["html", "md", "latex", "csv"]


def write(page: Page, output: Path, kind: Format) -> None:
    """Write a report: a file, or for CSV a folder with a file per table.

    Raises:
        RgfError: it cannot be written.
    """
    try:
        if kind == "csv":
            output.mkdir(parents=True, exist_ok=True)
            for table in page.tables:
                with open(output / f"{table.key}.csv", "w", newline="") as file:
                    csv.writer(file).writerows([table.columns, *table.rows])
        else:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(render(page, kind), encoding="utf-8")
    except OSError as error:
        raise RgfError(f"cannot write {output}: {error.strerror}; choose another -o") from error


def render(page: Page, kind: Literal["html", "md", "latex"]) -> str:
    """A report as text; HTML is escaped throughout."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rgf_keras.reports"),
        autoescape=kind == "html",
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"latex": _latex, "markdown": _markdown}
    name = {"html": "report.html", "md": "report.md", "latex": "report.tex"}[kind]
    return environment.get_template(name).render(page=page, version=__version__)


def _latex(text: str) -> str:
    special = {
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{char: f"\\{char}" for char in "&%$#_{}"},
        **{"−": "$-$", "±": r"$\pm$", "•": r"$\bullet$", "–": "--", "≤": r"$\le$", "≥": r"$\ge$"},
    }
    return "".join(special.get(char, char) for char in text)


def _markdown(text: str) -> str:
    return text.replace("|", "\\|")
