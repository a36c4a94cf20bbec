"""Times what an audit does: Inception features, whole audits, and the search of neighbours.

    python tests/benchmarks/bench_audit.py features [--backends tensorflow jax torch]
    python tests/benchmarks/bench_audit.py audit [--num-images 5000]
    python tests/benchmarks/bench_audit.py memory [--references 10000 200000] [--width 2048]
    python tests/benchmarks/bench_audit.py approximate [--references 1000000] [--width 64]

``features``: FID's network on each backend against the same TorchScript module in plain PyTorch,
in turns, each in a process of its own; compilation is not timed. ``audit``: a whole one of digits
in memory, by pixels. ``memory``: peak of the exact search in blocks, features in a file, 5,000
queries, against faiss' flat index, each in a process of its own. ``approximate``: training images
among themselves, with the recall that is measured; the exact time is reckoned from some queries.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = ("tensorflow", "jax", "torch")
FASTEST = 0.9  # features per second of the best backend, of the module's
SLOWEST_TO_FAISS = 1.3  # times faiss' seconds
NUM_QUERIES = 5000
K = 10


def apart(*arguments: str, backend: str = "tensorflow") -> dict[str, float]:
    """What a process of its own prints, as JSON on the last line."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


# ---------------------------------------------------------------------------------------- features


def digits(num: int) -> np.ndarray:
    from rgf_keras.datasets import load

    images = load("mnist-10k").images
    return images[np.arange(num) % len(images)]


def keras_features(num: int) -> dict[str, float]:
    from rgf_keras.metrics.features import FIDFeatures

    network, images = FIDFeatures(), digits(num)
    network.extract(images[: network.batch_size])
    start = time.perf_counter()
    network.extract(images)
    return {"per second": num / (time.perf_counter() - start)}


def module_features(num: int, batch_size: int = 50) -> dict[str, float]:
    import torch

    from rgf_keras.metrics import inception

    module = torch.jit.load(inception._find_fid_file(None)).eval()

    def run(images: np.ndarray) -> None:
        # The published module's input: RGB, enlarged by PyTorch's own bilinear resizing.
        floats = (
            torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
        )
        side = (inception.SIDE, inception.SIDE)
        large = torch.nn.functional.interpolate(floats, side, mode="bilinear")
        module((large - 128) / 128)

    images = digits(num)
    with torch.inference_mode():
        for _ in range(3):  # TorchScript compiles in its first calls
            run(images[:batch_size])
        start = time.perf_counter()
        for i in range(0, num, batch_size):
            run(images[i : i + batch_size])
    return {"per second": num / (time.perf_counter() - start)}


def compare_features(options: argparse.Namespace) -> bool:
    ratios: dict[str, list[float]] = {backend: [] for backend in options.backends}
    for repeat in range(options.repeats):
        theirs = apart("_module", str(options.num_images))["per second"]
        for backend in options.backends:
            ours = apart("_keras", str(options.num_images), backend=backend)["per second"]
            ratios[backend].append(ours / theirs)
            print(f"{repeat}: {backend} {ours:.2f}, TorchScript {theirs:.2f} images per second")
    middles = {backend: median(values) for backend, values in ratios.items()}
    for backend, values in ratios.items():
        print(f"{backend}: {middles[backend]:.2f} times the module ({min(values):.2f} to "
              f"{max(values):.2f})")  # fmt: skip
    print(f"required of the best: {FASTEST}")
    return max(middles.values()) >= FASTEST


# ------------------------------------------------------------------------------------------- audit


def audit_digits(options: argparse.Namespace) -> bool:
    from rgf_keras.cache import Cache
    from rgf_keras.experiments.audit.audit import audit

    num = options.num_images
    images = np.random.default_rng(0).permutation(digits(10_000))
    noise = np.random.default_rng(1).integers(-8, 8, (num, *images.shape[1:]))
    generated = np.clip(images[-num:].astype(int) + noise, 0, 255).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = audit(
            images[:num], generated, hold_out=0.2, features=["pixels"], cache=Cache(Path(folder))
        )
    seconds = time.perf_counter() - start
    print(f"{num} training and {num} generated digits in pixels: {seconds:.1f} s, {result.found=}")
    return True


# ------------------------------------------------------------------------------------------ search


def write_features(path: Path, num: int, width: int) -> np.ndarray:
    """As a network's: non-negative, with fewer directions than columns, whose variances fall as
    1/i (those of digits in FID's network: 1, .37, .13, .03, .007 for i of 1, 3, 10, 30, 100);
    written in pieces."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(max(width // 8, 2), width)).astype(np.float32)
    file = np.lib.format.open_memmap(path, "w+", np.float32, (num, width))
    mix /= np.sqrt(np.arange(1, len(mix) + 1, dtype=np.float32))[:, np.newaxis]
    for start in range(0, num, 10_000):
        latents = rng.normal(size=(min(10_000, num - start), len(mix))).astype(np.float32)
        file[start : start + 10_000] = np.maximum(latents @ mix, 0)
    file.flush()
    return file


def peak_megabytes() -> float:
    """Anonymous memory of this process at its highest, without mapped files, as sampled."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def search_apart(path: str, how: str) -> dict[str, float]:
    import threading

    from rgf_keras.metrics import neighbours

    references = np.load(path, mmap_mode="r")
    queries = np.array(references[:NUM_QUERIES]) + np.float32(0.01)
    before, peak, done = peak_megabytes(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], peak_megabytes())

    thread = threading.Thread(target=watch, daemon=True)  # a search that fails ends the process
    thread.start()
    start = time.perf_counter()
    if how == "faiss":
        import faiss

        index = faiss.IndexFlatIP(references.shape[1])
        rows = np.array(references)
        index.add(rows / np.linalg.norm(rows, axis=1, keepdims=True))
        index.search(queries / np.linalg.norm(queries, axis=1, keepdims=True), K)
    else:
        neighbours.nearest(queries, references, k=K)
    seconds = time.perf_counter() - start
    done.set()
    thread.join()
    return {"seconds": seconds, "megabytes": peak[0] - before}


def compare_memory(options: argparse.Namespace) -> bool:
    good, ours_at = True, []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for num in options.references:
            path = Path(folder) / f"{num}.npy"
            write_features(path, num, options.width)
            ours, theirs = (apart("_search", str(path), how) for how in ("ours", "faiss"))
            ratio = ours["seconds"] / theirs["seconds"]
            print(
                f"{num} × {options.width}: {ours['seconds']:.1f} s and {ours['megabytes']:.0f} MB, "
                f"faiss flat {theirs['seconds']:.1f} s and {theirs['megabytes']:.0f} MB; "
                f"{ratio:.2f} times its time"
            )
            good &= ratio <= SLOWEST_TO_FAISS
            ours_at.append(ours["megabytes"])
            path.unlink()
    print(f"required: seconds / faiss' ≤ {SLOWEST_TO_FAISS}, and as much memory for all numbers")
    return good and max(ours_at) <= 1.5 * min(ours_at)


def search_approximately(options: argparse.Namespace) -> bool:
    from rgf_keras.metrics import approximate, neighbours

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for num in options.references:
            features = write_features(Path(folder) / f"{num}.npy", num, options.width)
            start = time.perf_counter()
            found = approximate.nearest(features, features, k=K, leave_one_out=True)
            seconds = time.perf_counter() - start
            start = time.perf_counter()
            neighbours.nearest(features[:NUM_QUERIES], features, k=K)
            exact = (time.perf_counter() - start) * num / NUM_QUERIES
            recall = found.recall
            print(
                f"{num} × {options.width} among themselves: {seconds:.0f} s, exactly about "
                f"{exact:.0f} s; recall@1 {recall.value:.3f} [{recall.low:.3f}, {recall.high:.3f}]"
            )
    return True


def main() -> int:
    if sys.argv[1:2] == ["_keras"]:
        print(json.dumps(keras_features(int(sys.argv[2]))))
        return 0
    if sys.argv[1:2] == ["_module"]:
        print(json.dumps(module_features(int(sys.argv[2]))))
        return 0
    if sys.argv[1:2] == ["_search"]:
        print(json.dumps(search_apart(*sys.argv[2:])))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("features")
    one.add_argument("--backends", nargs="*", choices=BACKENDS, default=BACKENDS)
    one.add_argument("--num-images", type=int, default=200)
    one.add_argument("--repeats", type=int, default=3)
    one.set_defaults(run=compare_features)
    one = commands.add_parser("audit")
    one.add_argument("--num-images", type=int, default=5000)
    one.set_defaults(run=audit_digits)
    for name, run, width, references in (
        ("memory", compare_memory, 2048, [10_000, 200_000]),
        ("approximate", search_approximately, 64, [1_000_000]),
    ):
        one = commands.add_parser(name)
        one.add_argument("--references", type=int, nargs="*", default=references)
        one.add_argument("--width", type=int, default=width)
        one.add_argument("--folder", help="for the features' files; the system's if not given")
        one.set_defaults(run=run)
    options = parser.parse_args()
    return 0 if options.run(options) else 1


if __name__ == "__main__":
    sys.exit(main())
