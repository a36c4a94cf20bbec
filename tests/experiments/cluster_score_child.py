"""The toy score on a Ray cluster of two nodes, one of which is lost when the first fit is done."""

import sys
import threading
import time
from pathlib import Path

import toy_score
from ray.cluster_utils import Cluster as Nodes

from rgf_keras.experiments.scores.workers import Resources
from rgf_keras.runtime.ray import ClusterShare


def lose_one(nodes, folder):
    while not list(folder.glob("r*.npz")):
        time.sleep(0.05)
    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    threading.Thread(target=lose_one, args=(nodes, folder), daemon=True).start()
    config = toy_score.CONFIG.with_values({"num_repeats": 1})
    toy_score.run(folder, config, Resources(2, cluster=ClusterShare(nodes.address)))
    assert len(nodes.worker_nodes) == 1
    nodes.shutdown()
