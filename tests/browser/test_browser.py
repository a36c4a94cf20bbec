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
import optuna
import pytest
from reported_study import NAME, QUESTION

from rgf_keras.reports import page, render
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
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
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
    click = "document.querySelectorAll('.sortable th')[arguments[0]].click()"
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
