"""What an audit says: ten lines for the terminal, one self-contained page, a record in MLflow."""

import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any

import numpy as np

from rgf_keras import outputs
from rgf_keras.experiments.audit import audit as experiment
from rgf_keras.experiments.audit.result import Audit, Audited, Copy
from rgf_keras.figures import copying as figures
from rgf_keras.figures.charts import Picture, data_url, themed
from rgf_keras.metrics import rgf_table
from rgf_keras.metrics.copying import Copying
from rgf_keras.reports import render, values
from rgf_keras.reports.page import Page, TitledPictures
from rgf_keras.reports.paper_tables import PaperTable
from rgf_keras.reports.values import MetricRow
from rgf_keras.tracking.tracker import Run

QUESTION = "Do the samples copy training images?"
MAX_COPIES = 200  # rows on the page; the CSV has all
NUM_NAMED = 5
QUALITY = "quality/"


@dataclass(frozen=True)
class AuditReport:
    """An audit, and what is made of it.

    Attributes:
        result: all that was found.
    """

    result: Audit

    @property
    def copies(self) -> list[Copy]:
        """Every copy: the names of both images, distance, rank, ratio, space and kind."""
        return self.result.copies

    @property
    def found(self) -> bool:
        """Whether any of the sets copies."""
        return self.result.found

    def table(self) -> list[dict[str, Any]]:
        """A row for each metric, with a value for each generated set."""
        return self.result.table()

    def to_html(self, path: str | Path | None = None) -> str:
        """One self-contained page, which is written too if a path is given."""
        made = page(self.result)
        if path:
            render.write(made, Path(path), "html")
        return render.render(made, "html")


@wraps(experiment.audit)
def audit(*args: Any, **kwargs: Any) -> AuditReport:
    return AuditReport(experiment.audit(*args, **kwargs))


def headline(sample: Audited, has_test: bool) -> str:
    """Whether a set copies, in the space where it is worst."""
    space, metrics = sample.worst, sample.metrics
    share = values.interval(metrics, f"copying/named/{space}")
    named = f"{sample.findings[space].num_copies} of {sample.size} are copies in {space}: {share}"
    if has_test:
        c_t = values.interval(metrics, f"copying/c_t/{space}")
        p = f"{metrics[f'copying/c_t_p/{space}']:.2g}"
        named += f"; C_T {c_t}, p {p}; few copies p {metrics[f'copying/tail_p/{space}']:.2g}"
    start = "Copies" if sample.alarms else "No copying found"
    return f"{start}: {named}."


def summary(result: Audit) -> list[str]:
    """About ten lines for the terminal."""
    has_test = bool(result.sizes["test"])
    train, test = result.sizes["train"], result.sizes["test"]
    lines = [f"{result.train}: {train} training and {test} held-out images"]
    for each in result.samples:
        lines.append(f"{each.name}: {headline(each, has_test)}")
        if each.copies:
            first = ", ".join(copy.generated for copy in each.copies[:NUM_NAMED])
            more = ", …" if len(each.copies) > NUM_NAMED else ""
            lines.append(f"  copies: {first}{more}")
        shown = [key for key in each.metrics if key.startswith(QUALITY)]
        texts = (f"{values.label(key)} {values.interval(each.metrics, key)}" for key in shown)
        lines.append("  " + ", ".join(texts))
        if each.table:
            verdicts = Counter(row.verdict for row in each.table[:-1])
            told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
            gap = values.interval(each.metrics, "rgf/gap")
            lines.append(f"  shares of the factor's values by class: gap {gap}; {told}")
        for space, kinds in each.sensitivity.items():
            found = ", ".join(f"{kind} {share:.0%}" for kind, share in kinds.items())
            lines.append(f"  would be found in {space}: {found}")
    return [*lines, *(f"note: {note}" for note in result.notes)]


def page(result: Audit, command: str = "") -> Page:
    """The page about an audit."""
    has_test = bool(result.sizes["test"])
    answers = [headline(each, has_test) for each in result.samples]
    if len(answers) > 1:
        answers = [f"{s.name}: {a}" for s, a in zip(result.samples, answers, strict=True)]
    return Page(
        kind=f"Audit of {', '.join(each.name for each in result.samples)}",
        question=QUESTION,
        answer=" ".join(answers),
        caution=" ".join(result.notes),
        models=[each.name for each in result.samples],
        metrics=_rows(result),
        tables=_tables(result),
        copies=_pictures(result),
        charts=_charts(result),
        command=command,
        environment={key: str(value) for key, value in result.settings.items()}
        | {f"images: {name}": str(size) for name, size in result.sizes.items()}
        | {"train_sha256": result.fingerprint},
    )


def log(result: Audit, sample: Audited, run: Run, folder: Path) -> None:
    """Record one set's metrics and files, as an assessment's are."""
    run.log_params({"audit.train": result.train, "audit.generated": sample.name} | result.settings)
    run.set_tags({"data_sha256": result.fingerprint[:16], "seed": result.settings["seed"]})
    run.log_metrics(sample.metrics)
    path = outputs.write_text(folder / "copies.csv", result.copies_csv())
    files = [path, _plot_pairs(folder / "copies.png", sample)]
    if sample.table:
        text = rgf_table.to_csv(sample.table)
        files.append(outputs.write_text(folder / "rgf_table.csv", text))
    for file in files:
        run.log_artifact(file)


def _rows(result: Audit) -> list[MetricRow]:
    """All metrics, with differences of sets to the first one."""
    columns = [each.metrics for each in result.samples]
    keys = {key: None for metrics in columns for key in metrics}
    names = [key for key in values.ordered(keys) if key in keys]
    remarks: dict[str, str] = {}
    for each in result.differences:
        bounds = (values.significant(x) for x in (each.value.low, each.value.high))
        text = (
            f"{each.name} differs by {values.significant(each.value.value)} [{', '.join(bounds)}]"
        )
        remarks[each.metric] = "; ".join(filter(None, (remarks.get(each.metric), text)))
    return [values.row(name, columns, remarks.get(name, "")) for name in names]


def _tables(result: Audit) -> list[PaperTable]:
    return [
        table
        for table in (_shares(result), _sensitivity(result), _classes(result), _copies(result))
        if table.rows
    ]


def _shares(result: Audit) -> PaperTable:
    """Shares of the rare value in each class, against the references'."""
    several = len(result.samples) > 1
    rows = [
        [
            f"{each.name}: {row.name}" if several else row.name,
            _interval(row.p_u, row.p_u_low, row.p_u_high),
            _interval(row.p_r, row.p_r_low, row.p_r_high),
            _interval(row.difference, row.difference_low, row.difference_high),
            values.number(row.p_value, ".2g"),
            row.verdict,
        ]
        for each in result.samples
        for row in each.table
    ]
    note = (
        "u: samples of generators of balanced data, r: of the generator under test, taken as one "
        "training. 95 % intervals over trainings, or Wilson's of a single one."
    )
    columns = ["class", "P_u", "P_r", "P_r − P_u", "p", "verdict"]
    return PaperTable("shares", "Shares of the rare value in each class", columns, rows, note)


def _interval(value: float, low: float, high: float) -> str:
    numbers = (values.number(each, ".3f") for each in (value, low, high))
    return "{} [{}, {}]".format(*numbers)


def _sensitivity(result: Audit) -> PaperTable:
    """What would have been found, and what would not."""
    several = len(result.samples) > 1
    kinds = list(next(iter(result.samples[0].sensitivity.values())))
    rows = [
        [f"{each.name}: {space}" if several else space, *(f"{shares[k]:.0%}" for k in kinds)]
        for each in result.samples
        for space, shares in each.sensitivity.items()
    ]
    note = (
        "Training images were changed so and compared as the samples are: the share that would be "
        "named. What is near 0 % is not found by this audit. Mirrored and shifted copies are "
        "searched for in pixels alone."
    )
    title = "Which copies this audit finds"
    return PaperTable("sensitivity", title, ["space", *kinds], rows, note)


def _classes(result: Audit) -> PaperTable:
    rows = [
        [
            f"{test.name} ({test.space})",
            each.name,
            f"{values.significant(test.c_t.value)} "
            f"[{values.significant(test.c_t.low)}, {values.significant(test.c_t.high)}]",
            f"{test.p_value:.2g}",
        ]
        for each in result.samples
        for test in each.classes
    ]
    note = "p of each class by itself: among many some are small by chance."
    return PaperTable("classes", "C_T of each class", ["class", "set", "C_T", "p"], rows, note)


def _copies(result: Audit) -> PaperTable:
    columns = ["generated", "nearest", "distance", "ratio", "rank", "space", "kind", "set"]
    rows = [
        [
            *(copy.generated, copy.nearest, f"{copy.distance:.4f}", f"{copy.ratio:.3f}"),
            *(str(copy.rank), copy.space, copy.kind, copy.set),
        ]
        for copy in result.copies[:MAX_COPIES]
    ]
    note = (
        f"{len(rows)} of {len(result.copies)}. Distance: cosine; ratio: to the mean distance to "
        "the ten nearest training images. An image is named if its ratio is smaller "
        "than that of any fresh image would be."
    )
    return PaperTable("copies", "Copies", columns, rows, note)


def _pictures(result: Audit) -> TitledPictures:
    """The worst pairs of each set."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "picture.png"
        pairs = ((each.name, _plot_pairs(path, each)) for each in result.samples)
        return [(name, data_url(file.read_bytes(), "image/png")) for name, file in pairs]


def _charts(result: Audit) -> list[tuple[str, Picture]]:
    """Densities of the distances of each set."""
    return [
        (f"{each.name}: distances in {space}", _densities(copying))
        for each in result.samples
        for space, copying in each.copying.items()
    ]


def _densities(copying: Copying) -> Picture:
    medians = [f"{np.median(x):.3g}" for x in (copying.generated, copying.test)]
    text = (
        f"densities of distances to the nearest training image in {copying.space}; median "
        f"{medians[0]} of generated images, {medians[1]} of held-out ones"
    )
    plot = partial(figures.plot_densities, copying=copying, test_name="held-out images")
    return themed(plot, text=text, size=(6, 3))


def _plot_pairs(path: Path, sample: Audited) -> Path:
    pairs = sample.pairs
    title = f"nearest to a training image first, with their ratio in {pairs.space}"
    return figures.plot_rows_of_pairs(path, pairs.generated, pairs.train, pairs.ratios, title)
