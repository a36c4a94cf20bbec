"""What messages must never say, and what no code but one place may do, read from the source."""

import ast
import re
from pathlib import Path

import pytest

import rgf_keras

PACKAGE = Path(rgf_keras.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# Where JSON is no output: hashes, whose texts must stay as they are, and what only we read.
OWN_JSON = {"strict_json.py", "archive.py", "cache.py", "experiments/assessment/trainings.py"}

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))


def calls(path):
    """What a file calls, as it is written: ``console.print``, with the names of the arguments."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield (
                ast.unparse(node.func),
                {each.arg: ast.unparse(each.value) for each in node.keywords},
            )


def messages(path):
    """The texts of a file that are no docstrings."""
    tree = ast.parse(path.read_text())
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    documented = (node.body[0] for node in ast.walk(tree) if isinstance(node, kinds) and node.body)
    docstrings = {id(node.value) for node in documented if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            yield node.value


@every_file
def test_no_message_tells_to_delete_what_may_be_the_users(path):
    harmful = re.compile(r"\b(delete|remove) (it|them|one|its|the (file|folder|image|row)s?)\b")
    if path.name != "cifar.py":  # an archive that was downloaded, and can be again
        assert [text for text in messages(path) if harmful.search(text)] == []


@every_file
def test_json_that_is_written_is_what_every_reader_takes(path):
    name = path.relative_to(PACKAGE).as_posix()
    found = {call for call, _ in calls(path)} & {"json.dumps", "json.dump", "dumps"}
    assert name in OWN_JSON or not found


@every_file
def test_only_what_this_command_has_sent_is_unpickled(path):
    """By the pipe to a process that it has started; files never are."""
    name = path.relative_to(PACKAGE).as_posix()
    for call, arguments in calls(path):
        if call in ("pickle.load", "pickle.loads", "joblib.load", "pickle.Unpickler"):
            assert (name, call) == ("runtime/processes.py", "pickle.loads")
        if call == "np.load":
            assert arguments["allow_pickle"] == "False", name
        if call == "torch.load":
            assert arguments["weights_only"] == "True", name


@every_file
def test_texts_of_users_are_no_markup(path):
    """Consoles print no markup, columns of progress neither, and tables are of texts."""
    name = path.relative_to(PACKAGE).as_posix()
    for call, arguments in calls(path):
        if call in ("Console", "TextColumn"):
            assert arguments.get("markup") == "False", name
        if call in ("out.print", "err.print"):
            assert name == "cli/options.py"
        assert call != "Text.from_markup", name
    source = path.read_text()
    assert name == "reports/terminal.py" or not re.search("rich.table import .*Table", source)
