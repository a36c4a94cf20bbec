"""What commands write: refused before the work, replaced whole, safe in spreadsheets and pages."""

import csv
import errno
import io
import os
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from typer.models import OptionInfo
from typer.testing import CliRunner

from rgf_keras import outputs
from rgf_keras.cli import app
from rgf_keras.errors import RgfError
from rgf_keras.reports import render
from rgf_keras.reports.page import Page
from rgf_keras.reports.paper_tables import PaperTable

# By command and option that names a file or folder to write: what else the command takes, a good
# suffix, and what the refusal of a bad one names.
PNG, HTML = (".png", ".png, .jpg, .jpeg or .pdf"), (".html", ".html or .htm")
OUTPUTS = {
    ("sample", "--output"): (["model.keras"], *PNG),
    ("data preview", "--output"): ([], *PNG),
    ("audit", "--output"): (["--train", "x", "--generated", "y"], *HTML),
    ("audit", "--csv"): (
        ["--train", "x", "--generated", "y", "--output", "{}/a.html"],
        ".csv",
        "csv",
    ),
    ("report", "--output"): (["name"], *HTML),
    ("reproduce", "--output"): (["rgf", "--all"], *HTML),
    ("compare", "--output"): (["a", "b"], *HTML),
}
FOLDERS = {("score", "--results")}  # and --workspace everywhere


def commands(group, *names):
    """All commands' words and functions."""
    for command in group.registered_commands:
        yield (*names, command.name or command.callback.__name__), command.callback
    for inner in group.registered_groups:
        yield from commands(inner.typer_instance, *names, inner.name)


def paths(function):
    """The options of a command that take a path."""
    for name, hint in typing.get_type_hints(function, include_extras=True).items():
        kind, *marks = typing.get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
        for mark in marks:
            if Path in (kind, *typing.get_args(kind)) and isinstance(mark, OptionInfo):
                given = [mark.default, *(mark.param_decls or ())]
                names = [each for each in given if isinstance(each, str)]
                yield max(names, key=len, default=f"--{name.replace('_', '-')}")


def test_every_output_is_known():
    found = {(" ".join(words), option) for words, call in commands(app) for option in paths(call)}
    found = {each for each in found if each[1] != "--workspace"}
    assert found == OUTPUTS.keys() | FOLDERS


def refusal(tmp_path, command, option, path):
    given = [each.format(tmp_path) for each in OUTPUTS[command, option][0]]
    place = [] if command in ("sample", "data preview") else ["--workspace", str(tmp_path / "runs")]
    words = [*command.split(), *given, option, str(path), *place]
    found = CliRunner().invoke(app, words).exception
    assert isinstance(found, RgfError), (words, found)
    assert "\n" not in str(found)
    return str(found)


@pytest.mark.parametrize(("command", "option"), OUTPUTS)
def test_places_that_cannot_be_written(tmp_path, command, option):
    _, suffix, formats = OUTPUTS[command, option]
    (tmp_path / "file").write_text("in the way")
    (tmp_path / f"folder{suffix}").mkdir()
    for path, part in (
        (tmp_path / "p.xyz", formats),
        (tmp_path / "p", formats),
        (tmp_path / f"folder{suffix}", "is a folder; give a file that ends in"),
        (tmp_path / "file" / f"p{suffix}", "cannot write"),
        (f"/proc/p{suffix}", "cannot write /proc"),
        (tmp_path / f"{300 * 'x'}{suffix}", "File name too long"),
    ):
        message = refusal(tmp_path, command, option, path)
        assert part in message
        assert option in message or "choose another" in message
    assert not (tmp_path / "p.xyz").exists()


def test_tables_are_a_folder(tmp_path):
    (tmp_path / "file").touch()
    words = ["report", "x", "--format", "csv", "-o", str(tmp_path / "file")]
    found = CliRunner().invoke(app, [*words, "--workspace", str(tmp_path)]).exception
    assert "is a file; give a folder" in str(found)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = outputs.write_text(tmp_path / "new" / "a.txt", "old")

    def fail():
        with outputs.replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old"
    link = tmp_path / "link.txt"
    link.symlink_to(path)
    outputs.write_text(link, "é\r\n")
    assert link.is_symlink()
    assert path.read_bytes() == "é\r\n".encode()
    assert os.listdir(path.parent) == ["a.txt"]


@pytest.mark.skipif(os.geteuid() != 0, reason="makes another user's link")
def test_links_of_others_are_not_followed(tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "oracle-1.npz"
    victim.write_text("precious")
    path.symlink_to(victim)
    os.lchown(path, 12345, 12345)
    outputs.write_text(path, "result")
    assert (victim.read_text(), path.read_text()) == ("precious", "result")
    assert not path.is_symlink()


def test_what_is_written_to_is_nobody_elses(tmp_path):
    with outputs.replacing(tmp_path / "a.txt") as temporary:
        assert temporary.parent.stat().st_mode & 0o777 == 0o700
        temporary.write_text("x")
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~umask()


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_a_killed_process_was_writing_is_swept_by_the_next(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from rgf_keras import outputs\n"
        "with outputs.replacing(Path(sys.argv[1]) / 'a.txt') as path:\n"
        "    path.write_bytes(bytes(1000)); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    (left,) = tmp_path.iterdir()
    assert outputs.size(left) == 1000
    os.utime(left, (0, 0))
    outputs.write_text(tmp_path / "a.txt", "x")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_files_are_written_where_there_are_no_locks(tmp_path, monkeypatch):
    def refuse(self, **settings):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("rgf_keras.runtime.locks.FileLock.acquire", refuse)
    assert outputs.write_text(tmp_path / "a.txt", "x").read_text() == "x"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_is_one_line_with_what_to_do(tmp_path):
    told = pytest.raises(RgfError, match=r"cannot write .*a\.txt: No space .*; make space, and the")
    with told, outputs.replacing(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_what_cannot_be_written_is_one_line():
    with pytest.raises(RgfError, match=r"cannot write /proc/a\.txt: "):
        outputs.write_text("/proc/a.txt", "x")


def test_another_process_deletes_what_is_being_listed(tmp_path, monkeypatch):
    for name in ("a/1", "a/deep/2", "b/3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("123")
    assert outputs.size(tmp_path) == 9
    listed = os.scandir

    def gone_when_it_is_listed(folder):
        if Path(folder).name == "deep":
            (tmp_path / "a").rename(tmp_path.parent / "elsewhere")
        return listed(folder)

    monkeypatch.setattr(os, "scandir", gone_when_it_is_listed)
    assert outputs.size(tmp_path) in (3, 6)  # in the order of the file system
    assert list(outputs.files(tmp_path / "a")) == []


def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(tmp_path, monkeypatch):
    def refused(folder):
        raise PermissionError(errno.EACCES, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(PermissionError):
        outputs.size(tmp_path)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-cmd", "@SUM(A1)", "\tx", "\rx", "=HYPERLINK(1)"]
)
def test_cells_that_spreadsheets_would_run_are_text(text):
    (row,) = csv.reader(io.StringIO(outputs.csv_text([[text, -1.5, "-1.5", "x=1", None]])))
    text = text.replace("\r", "\n")
    assert row == [f"'{text}", "-1.5", "-1.5", "x=1", ""]


UGLY = "<img src=x> a|b `c` *d* _e_ f_g ](h) & \\ #\n# i"
PAGE = Page(
    f"Run {UGLY}",
    UGLY,
    f"{UGLY} [0.3, 0.5]",
    caution=UGLY,
    models=[UGLY],
    tables=[PaperTable("key", UGLY, [UGLY, "=x"], [["=1+1", UGLY]], UGLY)],
    config=UGLY,
)


def test_markdown_shows_users_text_as_it_is():
    text = render.render(PAGE, "md")
    assert "<img" not in text
    assert "&lt;img src=x&gt; a\\|b \\`c\\` \\*d\\* \\_e\\_ f_g \\](h) &amp; \\\\ # # i" in text
    assert "[0.3, 0.5]" in text
    assert "\n# i" not in text


def test_pages_show_users_text_as_it_is():
    assert "<img src=x>" not in render.render(PAGE, "html")


def test_tables_are_written_safely(tmp_path):
    render.write(PAGE, tmp_path, "csv")
    rows = list(csv.reader(io.StringIO((tmp_path / "key.csv").read_text())))
    assert rows[1][0] == "'=1+1"
    with pytest.raises(RgfError, match="Run x has no tables; choose another --format"):
        render.write(Page("Run x", "?", "!"), tmp_path / "none", "csv")
    assert not (tmp_path / "none").exists()
