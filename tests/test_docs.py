"""The documentation: links lead somewhere, Python runs, lists and the menu are whole."""

import importlib
import re
import sys
import unicodedata
from pathlib import Path

import keras
import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md", *PAGES]
FENCE = re.compile(r"^ *```([^\n]*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
PUBLIC = ("config", "datasets", "datasets.morphology", "models", "training", "testing")

sys.path.insert(0, str(DOCS / "hooks"))
import generated  # noqa: E402 (a folder that mkdocs.yml names, and no package)

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda x: str(x.relative_to(ROOT)))


def text_of(path: Path) -> str:
    """A page without its code, and with what is made when pages are built."""
    return FENCE.sub("", generated.expand(path.read_text()))


def anchors(path: Path) -> set[str]:
    """Of the headings, as Python-Markdown makes them."""
    headings = re.findall(r"^#+ +(.+)$", text_of(path), re.MULTILINE)
    texts = (unicodedata.normalize("NFKD", h).encode("ascii", "ignore").decode() for h in headings)
    kept = (re.sub(r"[^\w\s-]", "", text).strip().lower() for text in texts)
    return {re.sub(r"[-\s]+", "-", text) for text in kept}


@every_document
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(path)):
        if re.match(r"https?:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{path.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{path.name}: {link}"
        is_built = DOCS not in path.parents or DOCS in target.parents
        assert is_built, f"{path.name}: {link} is no page"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_the_menu_has_every_page():
    menu = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    named = re.findall(r"[\w/-]+\.md", menu)
    assert sorted(named) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


def test_pages_load_nothing_from_elsewhere():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert settings["strict"]
    assert settings["theme"]["font"] is False
    assert "offline" in settings["plugins"]
    for polyfill in settings["extra"]["polyfills"]:
        assert (DOCS / polyfill).is_file()


def documented() -> set[str]:
    return {name for page in PAGES for name in re.findall(r"^::: (\S+)$", page.read_text(), re.M)}


def find(name: str) -> object:
    """A module, or what is in one."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


def test_the_reference_has_what_is_public():
    names = documented()
    assert all(find(name) for name in names)
    assert {f"rgf_keras.{module}" for module in PUBLIC} <= names
    assert {f"rgf_keras.metrics.{name}" for name in find("rgf_keras.metrics").__all__} <= names
    lazy = find("rgf_keras.experiments").LAZY
    assert {f"rgf_keras.experiments.{module}.{name}" for name, module in lazy.items()} <= names


def test_commands_and_metrics_are_written_from_the_code():
    commands = generated.expand("<!-- every command -->")
    assert "## rgf audit" in commands
    assert "`--fail-on-copying`" in commands
    assert "| `rgf/gap` | memorization gap |" in generated.expand("<!-- every metric -->")
    assert "`quality/fid_train`" in generated.expand("<!-- metrics on request -->")


def blocks(path: Path) -> list[tuple[str, str]]:
    """Names and texts of the blocks of Python of a page."""
    return [(n, text) for n, text in FENCE.findall(path.read_text()) if n.startswith("python")]


@pytest.mark.parametrize(
    "path",
    [path for path in DOCUMENTS if blocks(path) and "examples" not in path.parts],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_python_runs(path, tmp_path, monkeypatch, capsys):
    """In the order of the page, and prints what the comments beside `print` say."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, object] = {}
    for name, text in blocks(path):
        if file := re.search(r'title="(.*?)"', name):
            Path(file[1]).write_text(text)
        exec(compile(text, str(path), "exec"), names)
    keras.distribution.set_distribution(None)  # a page may set it
    said = [line for _, text in blocks(path) for line in re.findall(r"print\(.*\)  # (.*)", text)]
    printed = capsys.readouterr().out
    assert all(line in printed for line in said), printed
