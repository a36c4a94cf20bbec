"""Which code made a result, with and without git, and whose commit it is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rgf_keras
from rgf_keras.tracking.provenance import provenance

PACKAGE = Path(rgf_keras.__file__).parent


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository of the user's own, in which commands are run."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=b"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    words = ["git", "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def test_the_folders_commit_is_called_so(repository):
    found = provenance()
    assert found["commit/current_folder"] == repository
    assert found["source/rgf_keras"].startswith("checkout")
    assert repository not in found["source/rgf_keras"]


@pytest.mark.parametrize("path", ["/nowhere", None])
def test_without_git_or_a_repository(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    if path:
        monkeypatch.setenv("PATH", path)
    assert provenance().keys() == {"source/rgf_keras"}
    assert not path or provenance()["source/rgf_keras"] == "checkout"


def test_an_installed_package_is_a_wheel(tmp_path, repository):
    """In a virtual environment inside of a repository, whose commit is not the package's."""
    site = tmp_path / "site-packages"
    shutil.copytree(PACKAGE / "tracking", site / "rgf_keras" / "tracking")
    (site / "rgf_keras" / "__init__.py").write_text("")
    info = site / "rgf_keras-9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rgf-keras\nVersion: 9\n")
    code = "from rgf_keras.tracking.provenance import provenance; print(provenance())"
    words = [sys.executable, "-c", code]
    told = subprocess.run(
        words, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(site)}
    )
    assert told.stdout.strip() == str(
        {"source/rgf_keras": "wheel", "commit/current_folder": repository}
    ), told.stderr
