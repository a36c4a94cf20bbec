"""One page about a paper: all that finished runs give of it, what is missing, what differs."""

import contextlib
import os
import shlex
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna

from rgf_keras import reproduce
from rgf_keras.config import ExperimentConfig
from rgf_keras.errors import RgfError
from rgf_keras.figures.charts import data_url
from rgf_keras.reports.page import Page, TitledPictures
from rgf_keras.reports.paper_tables import PaperTable
from rgf_keras.reproduce.reproduction import Reproduction
from rgf_keras.tracking.records import MissingRun, Records, RunRecord

TITLES = {
    "rgf": "Do Generative Models Learn Rare Generative Factors? (Frontiers in AI 2025)",
    "mr": "Training with Memorization Rejection (arXiv 2210.12231)",
    "score": "On Memorization in Probabilistic Deep Generative Models (NeurIPS 2021)",
}
# What a set of configurations would cost, in words.
Price = Callable[[Sequence[ExperimentConfig]], str]


@dataclass(frozen=True)
class Part:
    """A table or figure of a paper, as far as it is done.

    Attributes:
        title: e.g. ``Table 1``.
        option: of ``rgf reproduce`` for it.
        reproduction: makes it.
        runs: that have finished.
    """

    title: str
    option: str
    reproduction: Reproduction
    runs: list[RunRecord]

    @property
    def missing(self) -> dict[str, ExperimentConfig]:
        """Runs that have not finished."""
        done = {run.label for run in self.runs}
        return {name: x for name, x in self.reproduction.runs.items() if name not in done}

    def tables(self) -> list[PaperTable]:
        """Those of the finished runs, under the part's own title."""
        found = self.reproduction.tables(self.runs) if self.runs else []
        own = self.title.lower().replace(" ", "-")
        return [
            replace(each, key=f"{own}-{each.key}", title=f"{self.title}: {each.title}")
            for each in found
        ]


def parts(
    paper: str,
    scale: str,
    trainings: int | None,
    find_study: Callable[[str], optuna.Study | None],
    records: Records,
) -> list[Part]:
    """All tables and figures of a paper; a run that one of them has made counts for all.

    Args:
        paper: a key of :data:`rgf_keras.reproduce.PAPERS`.
        scale: one of ``SCALES``.
        trainings: of each model; the scale's if None.
        find_study: the study of a reproduction's name, None if it was not begun.
        records: of the runs.
    """
    wanted = [
        Part(title, f"--{kind} {name}", reproduce.find(paper, scale=scale, **options), [])
        for title, kind, name in reproduce.items(paper)
        for options in [_options(kind, name, trainings)]
    ]
    made = [_made(part.reproduction, find_study(part.reproduction.name)) for part in wanted]
    of_any = {key: id for own in made for key, id in own.items()}
    return [
        replace(part, runs=_finished(part, of_any | own, records))
        for part, own in zip(wanted, made, strict=True)
    ]


def _made(reproduction: Reproduction, study: optuna.Study | None) -> dict[str, str]:
    """MLflow's ids of the runs that its own study has finished, by what is configured."""
    if study is None or not _is_of(study, reproduction):
        return {}
    ids, runs = reproduction.finished_ids(study), reproduction.runs
    return {runs[label].key: id for label, id in ids.items() if label in runs}


def _options(kind: str, name: str, trainings: int | None) -> dict[str, Any]:
    return {kind: name, "trainings": trainings}


def _is_of(study: optuna.Study, reproduction: Reproduction) -> bool:
    """Whether a study was begun with a reproduction's present settings, as far as is known."""
    key = study.user_attrs.get("key")
    return key is None or reproduction.study().as_begun(key).key == key


def _finished(part: Part, done: Mapping[str, str], records: Records) -> list[RunRecord]:
    """Runs of a part that any part has made, with the files that it needs."""
    keys = {label: config.key for label, config in part.reproduction.runs.items()}
    needed = part.reproduction.needs
    runs = []
    for label, key in keys.items():
        with contextlib.suppress(MissingRun):  # it was deleted since, and is to be made again
            run = records.run(done[key], label) if key in done else None
            first = run and "seed" not in label  # of which alone figures show files
            if run and not (needed and first and needed not in run.files):
                runs.append(run)
    return runs


def paper_page(
    paper: str,
    scale: str,
    found: Sequence[Part],
    price: Price,
    command: str = "",
    options: Sequence[str] = (),
) -> Page:
    """The page.

    Args:
        paper: a key of :data:`rgf_keras.reproduce.PAPERS`.
        scale: of the runs.
        found: what :func:`parts` found.
        price: of what is missing.
        command: what to type to get the same.
        options: further ones of commands that run what is missing.
    """
    complete = sum(not part.missing for part in found)
    runs = {run.id for part in found for run in part.runs}
    return Page(
        kind=f"Paper, at the scale {scale}",
        question=TITLES[paper],
        answer=f"{complete} of {len(found)} tables and figures are complete, from {len(runs)} "
        f"finished {'run' if len(runs) == 1 else 'runs'}.",
        caution=" ".join(reproduce.DEVIATIONS[paper](scale)),
        tables=[
            *_agreement(found),
            *(table for part in found for table in part.tables()),
            *_missing(paper, scale, found, price, options),
        ],
        pictures=[picture for part in found for picture in _figures(part)],
        command=command or os.environ.get("RGF_COMMAND", ""),
    )


def _agreement(found: Sequence[Part]) -> list[PaperTable]:
    """How what is done compares with the paper."""
    lines: dict[str, str] = {}  # by what they say: several parts may have the same runs
    for part in found:
        for line in part.reproduction.agreement(part.runs) if part.runs else ():
            lines.setdefault(line, part.title)
    rows = [[title, line] for line, title in lines.items()]
    note = "Of finished runs; the paper's own numbers are beside."
    columns = ["", "here and in the paper"]
    return [PaperTable("agreement", "How it compares", columns, rows, note)] if rows else []


def _missing(
    paper: str, scale: str, found: Sequence[Part], price: Price, options: Sequence[str]
) -> list[PaperTable]:
    rows = []
    for part in found:
        if missing := part.missing:
            words = ["rgf", "reproduce", paper, *part.option.split(), "--scale", scale, *options]
            numbers = f"{len(missing)} of {len(part.reproduction.runs)}"
            rows.append(
                [part.title, numbers, _price(price, [*missing.values()]), shlex.join(words)]
            )
    note = (
        "On this machine, if nothing is kept from before; data to be prepared, mitigations and "
        "comparing many images come on top. What one table has trained, no other trains again."
    )
    columns = ["", "runs missing", "would cost", "command"]
    return [PaperTable("missing", "What is missing", columns, rows, note)] if rows else []


def _price(price: Price, configs: Sequence[ExperimentConfig]) -> str:
    try:
        return price(configs)
    except RgfError as error:
        return f"unknown: {error}"


def _figures(part: Part) -> TitledPictures:
    if not part.runs:
        return []
    with tempfile.TemporaryDirectory() as folder:
        paths = part.reproduction.figures(part.runs, Path(folder))
        urls = [data_url(path.read_bytes(), "image/png") for path in paths]
    more = "" if not part.missing else f" ({len(part.missing)} runs are missing)"
    return [(f"{part.title}{more}", url) for url in urls]
