"""Running a study: here, in processes, or on a cluster."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rgf_keras.cli.options import mlflow_address, note, open_tracker, progress, tell
from rgf_keras.cli.quiet import import_keras

if TYPE_CHECKING:
    import optuna

    from rgf_keras.experiments.studies.study import Study
    from rgf_keras.runtime.workers import WorkersSpec

Workers = Annotated[int, typer.Option(min=1, help="Runs at a time, each a process.")]
OnCluster = Annotated[
    str | None, typer.Option(help="Ray cluster for the runs: auto or an address.")
]
CpusPerWorker = Annotated[float, typer.Option(help="CPUs of a run on the cluster.")]
GpusPerWorker = Annotated[float, typer.Option(help="GPUs of a run on the cluster, e.g. 0.5.")]


def workers_spec(workers: int, cluster: str | None, cpus: float, gpus: float) -> "WorkersSpec":
    """The workers that the options ask for."""
    from rgf_keras.runtime.ray import ClusterShare
    from rgf_keras.runtime.workers import WorkersSpec

    share = None if cluster is None else ClusterShare(cluster, cpus, gpus)
    return WorkersSpec(workers, cluster=share, prepare=import_for_trials)


def import_for_trials() -> None:
    """Import what every trial needs, quietly."""
    import_keras()
    import mlflow  # noqa: F401
    import optuna  # noqa: F401

    from rgf_keras.experiments.assessment import assess  # noqa: F401
    from rgf_keras.experiments.studies import parallel  # noqa: F401


def run_study(
    load: "Callable[[], Study]",
    study: "Study",
    name: str,
    where: "WorkersSpec",
    storage: str | None,
    tracking_uri: str | None,
    workspace: Path,
    seed: int = 0,
) -> "tuple[optuna.Study, dict[str, Any]]":
    """Run a study, or what is left of it, and log what it says to its run.

    Args:
        load: makes the study in another process.
        study: with the budget, the repeats and the sampler that are wanted.
        name: of the study in the storage and of its run.
        where: it is run.
        storage, tracking_uri: Optuna's and MLflow's; in the workspace if None.
        workspace: folder for records, checkpoints and files.
        seed: of the sampler.

    Returns:
        Optuna's study, and its summary.
    """
    from rgf_keras.cache import Cache
    from rgf_keras.experiments.studies.parallel import run_parallel
    from rgf_keras.experiments.studies.pictures import FOLDER
    from rgf_keras.experiments.studies.run import StudySpec
    from rgf_keras.experiments.studies.storage import default_url
    from rgf_keras.reports import outcome

    def on_trial(trial: "optuna.trial.FrozenTrial") -> None:
        note(outcome.trial_line(trial, study.minimize_record, study.num_trials))

    # Workers elsewhere may have other variables in their environment.
    address = mlflow_address(tracking_uri, workspace.resolve())
    if where.cluster and address.startswith("sqlite"):
        tell(
            f"records go to {workspace}/ on each node: where nodes do not share it, give the "
            "--tracking-uri of a server that they all reach"
        )
    storage = storage or default_url(workspace, name, parallel=True)
    spec = StudySpec(
        load,
        storage,
        partial(open_tracker, address, workspace.resolve(), name),
        name,
        workspace.resolve() / "work",
        Cache(),
        study.num_trials,
        study.repeats,
        seed,
        pictures=workspace.resolve() / FOLDER,
        sampler=study.sampler if isinstance(study.sampler, str) else None,
    )
    with progress() as shown:
        if where.in_this_process and storage.startswith("sqlite"):  # which is for one process
            import_keras()
            optuna_study = spec.run(shown, on_trial)
        else:
            optuna_study = run_parallel(spec, where, shown, on_trial)
    spec.folder.mkdir(parents=True, exist_ok=True)
    summary = outcome.study_summary(optuna_study)
    with spec.open_tracker() as tracker:
        outcome.record_study(summary, optuna_study, tracker, spec.folder)
    return optuna_study, summary
