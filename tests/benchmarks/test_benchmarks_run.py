"""Every benchmark runs to its end at tiny settings, each in a process of its own.

What is measured is not looked at, nor whether it meets a bar: other tests share the machine.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
ONCE = "--repeats 1"
SMALL_UNET = "--size tiny --side 8 --batch 2 --train-steps 2 --images 2 --steps 2"
RATIO = r"\d+\.\d\d \(\d"  # and the lowest beside it
# Script and arguments, and a pattern for each thing that must be printed.
QUICK = {
    f"bench_training.py {ONCE} --backends torch --models vae --seconds 0.05": [
        rf"\| vae \| torch \| .* \| {RATIO}.* \| {RATIO}"
    ],
    f"bench_score.py {ONCE} --backends torch --num-images 128 --epochs 1": [
        rf"\| {name} \| torch \| .* \| {RATIO}" for name in ("authors", "lean", "loop")
    ],
    f"bench_rejection.py {ONCE} --backends torch --num-references 100 --batch 2 --turns 1": [
        rf"\| torch \| \d+, \d+ \| {RATIO}"
    ],
    f"bench_streaming.py {ONCE} --backends torch --models vae --num-images 128 --epochs 1": [
        rf"\| vae \| torch \| .* \| {RATIO}"
    ],
    f"bench_diffusion.py {ONCE} --backends torch --backbones keras {SMALL_UNET}": [
        rf"\| torch \| keras \| float32 \| .* \| {RATIO}.* \| \d+\.\d\d \|",
        r"\| torch \| lean \| float32 \| .* \| – \| – \| \d.* \| – \|",
    ],
    "bench_neighbours.py --num-queries 20 --num-references 50 --widths 64 --frechet-width 8": [
        r"cosine.*\d+\.\d\dx",
        r"euclidean.*\d+\.\d\dx",
        r"Fréchet, width 8: .* \d+\.\dx",
    ],
    "bench_morphology.py --num-images 65 --num-baseline 1": [
        rf"{name}.* \d+x" for name in ("thin", "thicken", "swell", "fracture")
    ],
    "bench_audit.py memory --references 300 --width 64": [r"300 × 64: .* \d+\.\d\d times its time"],
    "bench_audit.py approximate --references 3000 --width 64": [r"recall@1 \d\.\d\d\d \["],
    "bench_samplers.py --seeds 2 --samplers random": [r"\| valley \| random \| \d\.\d+ \["],
}
SLOW = {
    f"bench_diffusion.py {ONCE} {SMALL_UNET}": [
        rf"\| {backend} \| {backbone} \| float32 \| .* \| \d+\.\d\d \|"
        for backend in ("tensorflow", "jax", "torch")
        for backbone in ("keras", "keras_cv_attention", "keras_cv")
    ],
    "bench_audit.py audit --num-images 100": [r"result\.found="],
    f"bench_audit.py features {ONCE} --backends torch --num-images 2": [
        r"torch: \d+\.\d\d times the module"
    ],
    "bench_tracking.py --epochs 2": [r"training waited for .*: \d+\.\d\d%"],
    "bench_workers.py --n-trials 2": [
        rf"\| {name} \| .* \| \d\.\d\d" for name in ("from nothing", "shared results made before")
    ],
}


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
            "COLUMNS": "200",
            **environment,
        },
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )


def check(command: str, printed: list[str]) -> None:
    script, *arguments = command.split()
    done = run(sys.executable, FOLDER / script, *arguments)
    output = f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in output, output
    for pattern in printed:
        assert re.search(pattern, done.stdout), f"{pattern} is not in\n{output}"


@pytest.mark.parametrize(("command", "printed"), QUICK.items())
def test_it_runs(command, printed):
    check(command, printed)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "printed"), SLOW.items())
def test_it_runs_for_longer(command, printed):
    check(command, printed)


@pytest.mark.parametrize("script", ["bench_workers.py", "bench_tracking.py", "bench_gpu.py"])
def test_what_runs_long_says_at_least_how_it_is_used(script):
    done = run(sys.executable, FOLDER / script, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")


def test_the_gpus_script_is_bash_and_knows_its_sections():
    assert run(shutil.which("bash"), "-n", FOLDER / "gpu.sh").returncode == 0
    sections = run(sys.executable, FOLDER / "bench_gpu.py", "list").stdout.split()
    assert {"vae", "gan", "dcgan", "ensemble", "diffusion"} <= {*sections}


@pytest.mark.slow
def test_the_gpus_script_runs_without_a_gpu(tmp_path):
    environment = {"OUT": str(tmp_path), "PYTHON": sys.executable, "GPU_SECONDS": "1200"}
    done = run(shutil.which("bash"), FOLDER / "gpu.sh", "--tiny", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in (tmp_path / "gpu.md").read_text()


def test_no_benchmark_is_left_out():
    tried = {command.split()[0] for command in (*QUICK, *SLOW)} | {"bench_gpu.py"}
    assert {path.name for path in FOLDER.glob("bench_*.py")} == tried
