"""A command whose terminal is closed goes on; one that is interrupted says how to go on."""

import os
import pty
import signal
import subprocess
import sys

import pytest

from rgf_keras import cli

STUDY = """
import time
from rgf_keras.experiments import AssessConfig, Study

def suggest(trial):
    weight = trial.suggest_float("weight", 0.0, 1.0)
    return AssessConfig().with_values({"spectral_decoupling.weight": weight})

def evaluate(config, context):
    time.sleep(1)
    return {"rgf/gap": 0.5}

study = Study(
    "toy", "?", AssessConfig(), suggest, num_trials=3, repeats=0, subject_to=(), evaluate=evaluate
)
"""


def test_ctrl_c_says_how_to_go_on(monkeypatch, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("rgf_keras.cli.data._kept", interrupt)
    monkeypatch.setattr(sys, "argv", ["rgf", "data", "list"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert "interrupted; the same command continues" in capsys.readouterr().err


@pytest.mark.slow
def test_a_study_without_its_terminal_and_interrupted(tmp_path):
    (tmp_path / "toy.py").write_text(STUDY)
    command = [sys.executable, "-m", "rgf_keras.cli", "study", "run", "toy.py"]
    environment = os.environ | {"KERAS_BACKEND": "jax"}  # quick to import

    def start(*arguments, **options):
        return subprocess.Popen([*command, *arguments], cwd=tmp_path, env=environment, **options)

    ours, theirs = pty.openpty()
    study = start(
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    os.close(theirs)
    while b"trial 0" not in os.read(ours, 10_000):
        pass
    os.close(ours)
    study.send_signal(signal.SIGHUP)
    assert study.wait(60) == 0

    study = start("--n-trials", "50", stderr=subprocess.PIPE, text=True)
    for line in study.stderr:
        if line.startswith("trial 3"):
            break
    study.send_signal(signal.SIGINT)
    assert "interrupted; the same command continues" in study.stderr.read()
    assert study.wait() == 130
