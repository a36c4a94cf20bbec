"""`rgf audit`: exit codes, files and the record in MLflow."""

import json
import shutil
from functools import partial

import audited_digits
import pytest

from rgf_keras.tracking.records import Records


@pytest.fixture
def rgf_audit(rgf_here, folder):
    return partial(rgf_here, folder, "audit", "--features", "pixels", "--workspace", "work")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, mlflow_database):
    """Folders of digits; three of those in ``copying`` are copies."""
    path = tmp_path_factory.mktemp("audit")
    train, test, generated, planted, _ = audited_digits.make(3)
    names = audited_digits.write(path / "copying", generated, mixed=True)
    audited_digits.write(path / "train", train)
    audited_digits.write(path / "test", test)
    audited_digits.write(path / "one", generated[:1])
    (path / "copies.txt").write_text("\n".join(sorted(names[i] for i in planted)))
    (path / "work").mkdir()
    shutil.copy(mlflow_database, path / "work" / "mlflow.db")
    return path


def test_copying_is_found_named_and_recorded(folder, rgf_audit):
    sets = "--train", "train", "--generated", "copying", "--test", "test"
    files = "-o", "out/page.html", "--csv", "out/copies.csv", "--json", "--fail-on-copying"
    result = rgf_audit(*sets, *files)
    assert result.returncode == 3, result.stderr
    record = json.loads(result.stdout)
    assert record["found"]
    expected = (folder / "copies.txt").read_text().split()
    assert sorted(copy["generated"] for copy in record["copies"]) == expected
    lines = (folder / "out" / "copies.csv").read_text().splitlines()
    assert len(lines) == 1 + len(expected)
    assert (folder / "out" / "page.html").stat().st_size > 20_000
    run = Records(f"sqlite:///{folder / 'work' / 'mlflow.db'}").run(result.stderr.split()[-1])
    assert (
        run.metrics["copying/exact/pixels"]
        == record["samples"][0]["metrics"]["copying/exact/pixels"]
    )
    assert {"copies.csv", "copies.png"} <= set(run.files)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--train", "train", "--generated", "one"), "one: 1 generated image; an audit takes"),
        (("--train", "none", "--generated", "one"), "none"),
        (("--train", "none", "--generated", "one", "--features", "vgg"), "did you mean 'vgg16'?"),
        (
            ("--train", "none", "--generated", "one", "--features", "oracle"),
            "'oracle'; known: pixels",
        ),
        (
            ("--train", "none", "--generated", "one", "--oracle", "no.py:f"),
            "oracle: 'no.py:f': no.py",
        ),
    ],
)
def test_bad_input_is_one_line(rgf_audit, arguments, message):
    result = rgf_audit(*arguments)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.returncode == 2, result.stderr
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in result.stderr
