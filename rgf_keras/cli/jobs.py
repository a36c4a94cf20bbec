"""Running the trials of a study: here, in processes, or on a cluster."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rgf_keras.cli.options import err

if TYPE_CHECKING:
    import optuna

    from rgf_keras.experiments.studies.run import StudySpec
    from rgf_keras.runtime.workers import WorkersSpec

Workers = Annotated[int, typer.Option(min=1, help="Runs at a time, each a process.")]
OnCluster = Annotated[
    str | None, typer.Option(help="Run them on this Ray cluster: auto or an address.")
]
CpusPerWorker = Annotated[float, typer.Option(help="On the cluster.")]
GpusPerWorker = Annotated[float, typer.Option(help="On the cluster, e.g. 0.5.")]


def workers_spec(workers: int, cluster: str | None, cpus: float, gpus: float) -> "WorkersSpec":
    """The workers that the options ask for."""
    from rgf_keras.runtime.ray import ClusterShare
    from rgf_keras.runtime.workers import WorkersSpec

    return WorkersSpec(
        workers, cluster=None if cluster is None else ClusterShare(cluster, cpus, gpus)
    )


def run_study(
    spec: "StudySpec", where: "WorkersSpec", minimize: str, num_trials: int
) -> "optuna.Study":
    """Run a study in this process, or by workers."""
    from rgf_keras.experiments.studies.parallel import run_parallel
    from rgf_keras.reports import outcome
    from rgf_keras.runtime.progress import on_console

    def tell(trial: "optuna.trial.FrozenTrial") -> None:
        err.print(outcome.trial_line(trial, minimize, num_trials), highlight=False)

    with on_console(err) as progress:
        if where.in_this_process:
            return spec.run(progress, tell)
        return run_parallel(spec, where, progress, tell)


def log_outcome(optuna_study: "optuna.Study", spec: "StudySpec") -> dict[str, Any]:
    """Log the result of a study to its run, and return it."""
    from rgf_keras.reports import outcome

    spec.folder.mkdir(parents=True, exist_ok=True)
    summary = outcome.study_summary(optuna_study)
    with spec.open_tracker() as tracker:
        outcome.record_study(summary, optuna_study, tracker, spec.folder)
    return summary
