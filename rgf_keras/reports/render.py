"""Reports as one self-contained page, or their tables alone as Markdown, LaTeX or CSV."""

import re
from pathlib import Path
from typing import Literal

import jinja2

from rgf_keras import __version__, outputs
from rgf_keras.errors import RgfError
from rgf_keras.reports import pictures
from rgf_keras.reports.page import Page
from rgf_keras.reports.paper_tables import PaperTable

Format = Literal["html", "md", "latex", "csv"]


def write(page: Page, output: Path, kind: Format) -> None:
    """Write a report: a file, or for CSV a folder with a file per table.

    Raises:
        RgfError: it cannot be written, or there are no tables for CSV.
    """
    if kind == "csv" and not page.tables:
        raise RgfError(f"{page.kind} has no tables; choose another --format than csv")
    texts = {output / f"{table.key}.csv": _csv(table) for table in page.tables}
    try:
        for path, text in (texts if kind == "csv" else {output: render(page, kind)}).items():
            outputs.write_text(path, text)
    except RgfError as error:
        raise RgfError(f"{error}; choose another -o") from error


def _csv(table: PaperTable) -> str:
    return outputs.csv_text([table.columns, *table.rows])


def render(page: Page, kind: Literal["html", "md", "latex"]) -> str:
    """A report as text; HTML is escaped throughout, and has at most 3 MB."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rgf_keras.reports"),
        autoescape=kind == "html",
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"latex": _latex, "markdown": _markdown}
    name = {"html": "report.html", "md": "report.md", "latex": "report.tex"}[kind]
    template = environment.get_template(name)
    text = template.render(page=page, version=__version__)
    if kind == "html" and (size := len(text.encode())) > pictures.MAX_BYTES:
        text = template.render(page=pictures.fit(page, size), version=__version__)
    return text


# What Markdown reads as markup: an underscore within a word is none, nor a bracket alone.
_MARKUP = re.compile(r"[\\`*|~$]|\](?=[(\[:])|(?<!\w)_|_(?!\w)|^[#+-](?=\s)")


def _latex(text: str) -> str:
    special = {
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{char: f"\\{char}" for char in "&%$#_{}"},
        **{"−": "$-$", "±": r"$\pm$", "•": r"$\bullet$", "–": "--", "≤": r"$\le$", "≥": r"$\ge$"},
    }
    return "".join(special.get(char, char) for char in " ".join(text.split()))


def _markdown(text: str) -> str:
    """Text as Markdown shows it: what would be markup or HTML is escaped, all in one line."""
    escaped = _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
