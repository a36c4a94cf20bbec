"""How a study is looked at in MLflow: its description, a saved view, and the addresses of pages."""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

from rgf_keras import strict_json
from rgf_keras.tracking.mlflow_names import NOTE_TAG, OUR_NOTE, allowed_name
from rgf_keras.tracking.mlflow_store import PARENT_TAG, MlflowStore

if TYPE_CHECKING:
    from mlflow.entities import Experiment

VIEW = "rgf"  # the key of the view, in addresses
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"  # of an experiment


def description(question: str, answer: str = "") -> str:
    """What an experiment or a run says of itself, as Markdown."""
    return f"{OUR_NOTE}{question}\n\n**Answer:** {answer or 'not known yet: the study runs.'}"


def experiment_tags(
    question: str, answer: str, metrics: Iterable[str], params: Iterable[str] = ()
) -> dict[str, str]:
    """Tags of a study's experiment: its description, and the view that shows what it is about.

    Args:
        question, answer: of the study.
        metrics: the objective, by which runs are sorted, and those of bounds.
        params: what is searched.
    """
    numbers = [f"metrics.`{allowed_name(name)}`" for name in metrics]
    shown = [
        *(f"attributes.`{name}`" for name in ("Dataset", "Source")),
        *numbers,
        *(f"params.`{allowed_name(name)}`" for name in params),
        *(f"tags.`{name}`" for name in ("feasible", "reason")),
    ]
    view = {"selectedColumns": shown, "orderByKey": numbers[0], "orderByAsc": True}
    return {NOTE_TAG: description(question, answer), VIEW_TAG: strict_json.dumps(view)}


def is_study(experiment: "Experiment") -> bool:
    """Whether an experiment is a study's."""
    return VIEW_TAG in experiment.tags


def addresses(store: MlflowStore, page: str, study: str) -> dict[str, str]:
    """Where a study is to be looked at, by what is there; nothing if MLflow has none.

    Args:
        store: MLflow, which is asked.
        page: where its pages are, e.g. ``http://127.0.0.1:5000``.
        study: a study's name, or the start of it if there is one such.
    """
    named = [each for each in store.client.search_experiments() if each.name.startswith(study)]
    experiment = next((each for each in named if each.name == study), None)
    experiment = experiment or (named[0] if len(named) == 1 else None)
    if experiment is None:
        return {}
    id, page = experiment.experiment_id, page.rstrip("/")
    key = f"?viewStateShareKey={VIEW}" if VIEW_TAG in experiment.tags else "?"
    runs = f"{page}/#/experiments/{id}/runs{key}"
    found = {"runs": runs, "charts": f"{runs}&compareRunsMode=CHART".replace("?&", "?")}
    if compared := _best_and_baseline(store, id):
        chosen, where = (quote(strict_json.dumps(each), safe="") for each in (compared, [id]))
        found["best and baseline"] = f"{page}/#/compare-runs?runs={chosen}&experiments={where}"
    return found


def _best_and_baseline(store: MlflowStore, experiment: str) -> list[str]:
    """Ids of the best trial and the baseline, if they are two."""
    parents = store.client.search_runs([experiment], "tags.best_trial != ''", max_results=1)
    if not parents:
        return []
    best = parents[0].data.tags["best_trial"]
    query = f"tags.`{PARENT_TAG}` = '{parents[0].info.run_id}'"
    trials = {
        run.info.run_name: run.info.run_id for run in store.client.search_runs([experiment], query)
    }
    names = ["trial-0000", f"trial-{int(best):04d}" if best.isdigit() else ""]
    return list(dict.fromkeys(trials[name] for name in names if name in trials))
