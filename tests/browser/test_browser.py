"""What people look at, in a real browser: MLflow's UI of a finished study, and its report.

Needs Chromium and its driver (Debian: chromium, chromium-driver). Screenshots are kept in
``$RGF_SCREENSHOTS`` if it is set.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
import optuna
import pytest
from reported_study import NAME, QUESTION

from rgf_keras.figures.charts import data_url, plot_real_loss, themed
from rgf_keras.figures.images import grid
from rgf_keras.reports import page, pictures, render
from rgf_keras.reports.page import Cell, Page
from rgf_keras.reports.paper_tables import PaperTable
from rgf_keras.reports.values import MetricRow
from rgf_keras.tracking.records import Records

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium (extra 'test')")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs Chromium: apt-get install chromium chromium-driver"
)

SECONDS = 90
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def workspace(finished_workspace):
    """A finished study; that of ``$RGF_BROWSER_WORKSPACE`` if it is set."""
    return Path(os.environ.get("RGF_BROWSER_WORKSPACE", finished_workspace))


@pytest.fixture(scope="module")
def record(workspace):
    url = f"sqlite:///{workspace}/optuna.db"
    return optuna.load_study(study_name=optuna.get_all_study_names(url)[0], storage=url)


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    folder = Path(os.environ.get("RGF_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def ui(workspace):
    """`rgf ui`, as it is typed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "rgf_keras.cli", "ui", "--workspace", str(workspace)]
    quick = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with open(workspace / "ui.log", "w") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env=os.environ | quick,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    uri = f"http://127.0.0.1:{port}"
    wait_for(lambda: answers(f"{uri}/health"), lambda: (workspace / "ui.log").read_text()[-2000:])
    yield uri
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def answers(uri):
    try:
        return urllib.request.urlopen(uri, timeout=1).status == 200
    except OSError:
        return False


def wait_for(condition, explain):
    for _ in range(SECONDS * 4):
        if condition():
            return
        time.sleep(0.25)
    raise TimeoutError(explain())


def wait_for_text(browser, *texts):
    def body():
        return browser.execute_script("return document.body.innerText")

    wait_for(lambda: all(text in body() for text in texts), body)


def expand(browser):
    """Show the trials below their study; MLflow remembers it, and a click too many hides them."""
    button = "document.querySelector('.ag-row button[data-component-id*=runnamecellrenderer]')"
    wait_for(lambda: browser.execute_script(f"return {button} !== null"), lambda: "no runs")
    for _ in range(10):
        time.sleep(2)
        if "trial-0000" in browser.execute_script("return document.body.innerText"):
            return
        browser.execute_script(f"{button}.click()")
    raise TimeoutError("the trials are not shown")


def resize(browser, width, height):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def shoot(browser, path):
    time.sleep(1)  # charts are still drawn
    browser.save_screenshot(str(path))
    assert path.stat().st_size > 5000


def test_the_run_list_shows_the_study_with_its_trials(browser, ui, record, screenshots):
    resize(browser, 1600, 900)
    experiment = mlflow.MlflowClient(ui).get_experiment_by_name(record.study_name).experiment_id
    browser.get(f"{ui}/#/experiments/{experiment}/runs")
    wait_for_text(browser, record.study_name, f"{1 + len(record.trials)} matching runs")
    expand(browser)
    wait_for_text(browser, "trial-0000", "trial-0001")
    shoot(browser, screenshots / "mlflow-runs.png")


def test_two_trials_are_compared_with_charts_and_pictures(browser, ui, record, screenshots):
    resize(browser, 1600, 1400)
    first, second = (trial.user_attrs["mlflow_run_id"] for trial in record.trials[:2])
    experiment = mlflow.MlflowClient(ui).get_experiment_by_name(record.study_name).experiment_id
    runs = f"runs=%5B%22{first}%22,%22{second}%22%5D&experiments=%5B%22{experiment}%22%5D"
    browser.get(f"{ui}/#/compare-runs?{runs}")
    wait_for_text(browser, "Parallel Coordinates Plot", "spectral_decoupling.weight", "trial-0001")
    # The parameter that was searched is chosen without set-up, and drawn.
    drawn = "return [...document.querySelectorAll('svg')].map(svg => svg.textContent).join()"
    wait_for(
        lambda: "spectral_decoupling.weight" in browser.execute_script(drawn),
        lambda: browser.execute_script(drawn),
    )
    shoot(browser, screenshots / "mlflow-compare.png")


def test_charts_of_a_study_show_its_trials_and_their_pictures(browser, ui, record, screenshots):
    resize(browser, 2400, 1500)  # what lies below the screen is not drawn
    experiment = mlflow.MlflowClient(ui).get_experiment_by_name(record.study_name).experiment_id
    browser.get(f"{ui}/#/experiments/{experiment}/runs?compareRunsMode=CHART")
    wait_for_text(browser, record.study_name, "best/gap")
    search = browser.find_element("css selector", "input[placeholder='Search metric charts']")
    search.send_keys("copies|samples$|rgf/gap$")  # or all 60 charts are drawn
    browser.execute_script("document.querySelector('button[aria-label=Close]')?.click()")
    expand(browser)
    wait_for_text(browser, "trial-0001", "copies", "samples", "rgf/gap")
    shown = "return [...document.images].filter(image => image.naturalWidth > 100).length"
    wait_for(
        lambda: browser.execute_script(shown) >= len(record.trials), lambda: "no pictures are shown"
    )
    browser.execute_script("document.images[0].scrollIntoView({block: 'end'})")
    shoot(browser, screenshots / "mlflow-charts.png")


@pytest.fixture(scope="module")
def report(workspace, record, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    render.write(page.study_page(record, Records(f"sqlite:///{workspace}/mlflow.db")), path, "html")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("device", "size"), [("desktop", (1280, 800)), ("phone", (390, 844))])
def test_the_report_answers_in_its_first_screen(
    browser, report, record, screenshots, device, size, scheme
):
    resize(browser, *size)
    emulate(browser, scheme)
    browser.get(report.as_uri())
    if record.study_name == NAME:
        assert browser.execute_script("return document.querySelector('h1').innerText") == QUESTION
    bottom = "return document.querySelector(arguments[0]).getBoundingClientRect().bottom"
    for part in (".answer", ".metrics"):
        assert browser.execute_script(bottom, part) <= size[1]
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    sizes = "return [...document.images].map(image => image.naturalWidth)"
    assert min(browser.execute_script(sizes)) > 0
    shoot(browser, screenshots / f"report-{device}-{scheme}.png")
    height = browser.execute_script("return document.documentElement.scrollHeight")
    resize(browser, size[0], height)
    shoot(browser, screenshots / f"report-{device}-{scheme}-whole.png")


def test_a_click_on_a_heading_sorts_the_trials(browser, report):
    resize(browser, 1280, 800)
    browser.get(report.as_uri())
    click = "document.querySelectorAll('.sortable thead button')[arguments[0]].click()"
    column = (
        "return [...document.querySelectorAll('.sortable tbody tr')]"
        ".map(row => row.cells[arguments[0]].dataset.key)"
    )
    for place in (0, 1):  # the trial's number; a parameter that the baseline does not have
        browser.execute_script(click, place)
        up = [float(key) for key in browser.execute_script(column, place) if key]
        assert up == sorted(up)
        browser.execute_script(click, place)
        down = [float(key) for key in browser.execute_script(column, place) if key]
        assert down == sorted(down, reverse=True)
        assert len(down) > 3


def test_samples_of_trials_are_shown_side_by_side_by_keyboard(browser, report, record, screenshots):
    from selenium.webdriver.common.keys import Keys

    resize(browser, 1280, 1000)
    browser.get(report.as_uri())
    buttons = browser.find_elements("css selector", ".sortable tbody button")
    assert len(buttons) == len(record.trials)
    button = next(each for each in buttons if each.text.endswith("trial 3"))
    button.send_keys(Keys.ENTER)
    beside = "return [...document.querySelectorAll('.beside figure')].map(each => each.innerText)"
    assert browser.execute_script(beside) == ["baseline", "trial 3"]
    widths = "return [...document.querySelectorAll('.beside img')].map(each => each.clientWidth)"
    assert min(browser.execute_script(widths)) > 150
    assert button.get_attribute("aria-expanded") == "true"
    shoot(browser, screenshots / "report-samples.png")
    other = next(each for each in buttons if each.text.endswith("trial 1"))
    other.send_keys(Keys.SPACE)  # several may be open
    assert len(browser.execute_script(beside)) == 4
    button.send_keys(Keys.ENTER)
    assert browser.execute_script(beside) == ["baseline", "trial 1"]
    browser.find_element("css selector", ".sortable thead button").send_keys(Keys.ENTER)
    assert browser.execute_script(beside) == []  # what is sorted is rows of trials


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A page that has all that a page can have, with dozens of trials and large pictures."""
    folder = tmp_path_factory.mktemp("everything")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 64, 3), np.uint8)
    photos = data_url(grid(folder / "noise.png", noise).read_bytes(), "image/png")
    epochs = [{"real_loss/f0": 0.7, "real_loss/f1": 1.0}] * 4
    curves = {"balanced": epochs, "trial 1": epochs}
    chart = themed(lambda axis: plot_real_loss(axis, curves), "A note.", "losses that stay")
    names = ["baseline", *(f"trial {i}" for i in range(1, 60))]
    cells = [[Cell(x, i), *[Cell(f"{i}.5 [{i}, {i + 1}]", i)] * 6] for i, x in enumerate(names)]
    rows = [[f"{i} •", "M", "D", "0.5 [0.4, 0.6]"] for i in range(10)]
    made = Page(
        kind="Study everything",
        question="What does a page look like that has all that there can be?",
        answer="Like this.",
        caution="Not confirmed: other seeds may turn this round.",
        models=names[:2],
        metrics=[MetricRow("gap", ["0.4 [0.3, 0.5]", "0.2 [0.1, 0.3]"], "mean of 3 seeds")],
        pareto=chart,
        importance={"weight": 0.7, "rate": 0.3},
        trials=(["trial", *(f"metric {i}" for i in range(6))], cells),
        tables=[PaperTable("z", "Table 1", ["", "a", "b", "c"], rows, "A note.")],
        differing=[MetricRow("training.epochs", ["3", "4"])],
        curves=chart,
        grids=[(name, photos) for name in ("balanced", *names[:24])],
        folded=frozenset(names[2:]),
        compared_with="baseline",
        copies=[("trial 1", photos)],
        charts=[("distances", chart)],
        pictures=[("gallery", photos)],
        command="rgf study run quickstart " + "--set training.epochs=3 " * 20,
        config="data:\n  name: mnist\n",
        environment={"backend": "torch", "commit": "0" * 40},
    )
    path = folder / "everything.html"
    render.write(made, path, "html")
    assert path.stat().st_size <= pictures.MAX_BYTES < 3e6
    return path


def emulate(browser, scheme, media="screen"):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


@pytest.mark.parametrize("name", ["everything", "report"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_axe_finds_nothing_serious(browser, request, screenshots, width, scheme, name):
    axe = Path(pytest.importorskip("axe_core_python", reason="extra 'test'").__file__).parent
    path = request.getfixturevalue(name)
    resize(browser, width, 900)
    emulate(browser, scheme)
    browser.get(path.as_uri())
    for button in browser.find_elements("css selector", ".sortable tbody button")[:2]:
        button.click()
    browser.execute_script((axe / "axe.min.js").read_text())
    found = browser.execute_async_script(
        "axe.run(document).then(found => arguments[0](found.violations.map(each =>"
        " [each.impact, each.id, each.nodes.map(node => node.html).slice(0, 3)])))"
    )
    assert [each for each in found if each[0] in ("serious", "critical")] == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    shoot(browser, screenshots / f"{name}-{width}-{scheme}.png")


def test_on_paper_all_is_dark_on_white(browser, everything, screenshots):
    resize(browser, 800, 1100)
    emulate(browser, "dark", "print")
    browser.get(everything.as_uri())
    colour = "return getComputedStyle(document.body)[arguments[0]]"
    assert browser.execute_script(colour, "backgroundColor") == "rgb(253, 253, 251)"
    shown = "return document.querySelector('picture img').currentSrc"
    light = "return document.querySelector('picture img').src"
    assert browser.execute_script(shown) == browser.execute_script(light)
    shoot(browser, screenshots / "everything-print.png")
    emulate(browser, "light")
