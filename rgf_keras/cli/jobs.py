"""Running the trials of a study: here, in processes, or on a cluster."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rgf_keras.cli.options import err

if TYPE_CHECKING:
    import optuna

    from rgf_keras.experiments.studies.run import Job
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


def run_job(job: "Job", spec: "WorkersSpec", minimize: str, num_trials: int) -> "optuna.Study":
    """Run a job in this process, or by workers."""
    from rgf_keras.experiments.studies.parallel import run_parallel
    from rgf_keras.experiments.studies.run import run_job
    from rgf_keras.reports import outcome
    from rgf_keras.runtime.progress import on_console

    def tell(trial: "optuna.trial.FrozenTrial") -> None:
        err.print(outcome.trial_line(trial, minimize, num_trials), highlight=False)

    with on_console(err) as progress:
        if spec.in_this_process:
            return run_job(job, progress, tell)
        return run_parallel(job, spec, progress, tell)


def log_outcome(record: "optuna.Study", job: "Job") -> dict[str, Any]:
    """Log the result of a study to its run, and return it."""
    from rgf_keras.reports import outcome

    folder = job.plan.work / job.plan.name
    folder.mkdir(parents=True, exist_ok=True)
    summary = outcome.study_summary(record)
    with job.open_tracker() as tracker:
        outcome.record_study(summary, record, tracker, folder)
    return summary
