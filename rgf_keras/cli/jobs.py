"""Running the trials of a study: here, in processes, or on a cluster."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from rgf_keras.cli.options import err

Workers = Annotated[int, typer.Option(min=1, help="Runs at a time, each a process.")]
OnCluster = Annotated[
    str | None, typer.Option(help="Run them on this Ray cluster: auto or an address.")
]
CpusPerWorker = Annotated[float, typer.Option(help="On the cluster.")]
GpusPerWorker = Annotated[float, typer.Option(help="On the cluster, e.g. 0.5.")]


def workers_of(
    workers: int, cluster: str | None, cpus: float, gpus: float
) -> Callable[[Any], Any] | None:
    """What makes the workers, given where their progress is shown; None for this process."""
    from rgf_keras.experiments.studies.cluster import Cluster
    from rgf_keras.runtime.processes import Processes
    from rgf_keras.runtime.ray import Share

    if cluster is not None:
        return lambda progress: Cluster(Share(cluster, cpus, gpus), workers)
    return (lambda progress: Processes(workers, progress)) if workers > 1 else None


def run_study(spec: Any, where: Callable[[Any], Any] | None, minimize: str, num_trials: int) -> Any:
    """Run a study in this process, or by workers."""
    from rgf_keras.experiments.studies.parallel import run_parallel
    from rgf_keras.reports import outcome
    from rgf_keras.runtime.progress import on_console

    def tell(trial: Any) -> None:
        err.print(outcome.trial_line(trial, minimize, num_trials), highlight=False)

    with on_console(err) as progress:
        if where is None:
            return spec.run(progress, tell)
        return run_parallel(spec, where(progress), progress, tell)


def log_outcome(optuna_study: Any, spec: Any) -> dict[str, Any]:
    """Log what the study has found to its run, and return it."""
    from rgf_keras.reports import outcome

    spec.folder.mkdir(parents=True, exist_ok=True)
    summary = outcome.study_summary(optuna_study)
    with spec.open_tracker() as tracker:
        outcome.record_study(summary, optuna_study, tracker, spec.folder)
    return summary
