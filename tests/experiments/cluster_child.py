"""A study on a formula on a Ray cluster of two nodes, one of which is lost in mid-trial."""

import sys
import threading
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import ray
import toy_study
from ray.cluster_utils import Cluster as Nodes

from rgf_keras.cache import Cache
from rgf_keras.experiments.studies.parallel import run_parallel
from rgf_keras.experiments.studies.run import StudySpec
from rgf_keras.runtime.progress import SILENT
from rgf_keras.runtime.ray import ClusterShare
from rgf_keras.runtime.workers import WorkersSpec
from rgf_keras.tracking.tracker import MemoryTracker

LOST = "trial-0002"


def assess(config, context):
    """Leaves a checkpoint; one trial waits, the first time, for its node to be lost."""
    work = context.folder
    resumed = (work / "checkpoint").exists()
    (work / "checkpoint").touch()
    with open(work.parents[1] / "assessed.log", "a") as log:
        log.write(f"{work.name} {resumed}\n")
    if work.name == LOST and not resumed:
        (work.parents[1] / "node").write_text(ray.get_runtime_context().get_node_id())
        time.sleep(600)
    return toy_study.assessment(config)


def open_tracker():
    return nullcontext(MemoryTracker())


def lose(nodes, folder):
    """Take away the node that says it is at the trial."""
    while not (found := folder / "node").exists() or not found.read_text():
        time.sleep(0.1)
    lost = next(node for node in nodes.worker_nodes if node.node_id == found.read_text())
    nodes.remove_node(lost, allow_graceful=False)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    threading.Thread(target=lose, args=(nodes, folder), daemon=True).start()
    spec = StudySpec(
        partial(getattr, toy_study, "STUDY"),
        f"journal:///{folder}/optuna.journal",
        open_tracker,
        "toy",
        folder,
        Cache(folder / "cache"),
        num_trials=5,
        evaluate=assess,
    )
    where = WorkersSpec(2, cluster=ClusterShare(nodes.address))
    run_parallel(spec, where, SILENT, lambda trial: None)
    nodes.shutdown()
