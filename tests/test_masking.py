"""No secret of an address is readable in what is written, whatever the address looks like."""

import logging
import os
import shutil
import sys
import threading
import types

import mlflow
import optuna
import pytest
import sqlalchemy
import toy_study
import yaml

from rgf_keras import cli
from rgf_keras.config import AssessConfig
from rgf_keras.errors import RgfError, first_line
from rgf_keras.experiments.studies.storage import place_of
from rgf_keras.masking import masked
from rgf_keras.tracking.mlflow_tracker import MlflowTracker, backlogs, send_backlog
from rgf_keras.tracking.records import Records
from rgf_keras.tracking.tracker import MemoryRun, environment_tags

CANARY = "cAnArY42"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rgf --storage postgresql://me:pass@host/db", "rgf --storage postgresql://me:***@host/db"),
        ("http://me:p@ss@host:5000", "http://me:***@host:5000"),
        ("http://host?access_token=abc&x=1", "http://host?access_token=***&x=1"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("--set='data.name=folder:images@2x'", "--set='data.name=folder:images@2x'"),
        *((text, text) for text in (
            "http://127.0.0.1:5000 a@b", "git@github.com:me/code", "my_gan.py:make", "a@b.org",
            "sqlite:////home/me@work/mlflow.db", "sqlite+pysqlite:////a%3Fb/me@work/x.db",
            "journal:////home/me@work/x.journal", "file:///home/me@work", "num_tokens=5",
            "data.name=folder:/data/me@work/images", "design=3 sigma=0.1 key=value",
            "configs/gan@v2.yaml", "logs/a@b", "xray/scan@2.png", "mailto:me@x.com", "10:30@lab",
            "guest:precision@5", "9:05:10@lab.org",
            "the token that it takes", "trial-0003: loss/vae is nan",
        )),
    ],
)  # fmt: skip
def test_only_secrets_are_masked(text, expected):
    assert masked(text) == expected
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "part", ["x", "a_", "a://", "token", "_key", "/", "=a:x", "@", "a:b@", "%3b"]
)
@pytest.mark.parametrize("end", ["", " x@y", "="])
def test_a_text_may_be_very_long(part, end):
    text = part * (200_000 // len(part)) + end  # hours if every place were a start to read on from
    assert masked(text).startswith(part[0]) or "@" in part


ADDRESSES = [
    "https://{}@host/path",
    "https://{}:x-oauth-basic@host".format("{}" * 3),
    "https://{}:@host",
    "http://me:{}@host:5000/?x=1",
    "http://me:a/{}@host",
    "http://me:a@{}@host",
    "http://me:{}/b@c@host:5000",
    "http://me:a%2F{}@host",
    "http://me:a b{}@host",
    "http://me:a'b\"{}@host",
    "http://us/er:{}@host",
    "https://host/mlflow?api_key={}&x=1",
    "https://host/mlflow?sig={}",
    "https://host/mlflow?x=1&X-Amz-Signature={}",
    "https://host/mlflow?subscription-key={}&access-token={}",
    "https://host/blob?AccountKey={}",
    "https://host?apikey={}&accesskey={}",
    "mssql+pyodbc://host/db?UID=me;pwd={};x=1",
    "mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3D{}%3B",
    "postgresql+psycopg://me:{}@/db?host=a",
    "postgresql://host/db?user=me&password={}",
    "postgresql:/me:{}@host/db",
    "postgresql//me:{}@host/db",
    "postgresql:me:{}@host/db",
    "postgresql:\\\\me:{}@host",
    "postgressql:me:{}@host",
    "htp:/me:{}@host",
    "https:/{}@host",
    "https//{}@host",
    "//me:{}@host",
    "me:{}@host/db",
    "me:{}@host",
    "me:{}@10.0.0.1",
    "http://me:{}@host:port",
    "http://me:{}@",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_secrets_of_addresses(address):
    address = address.replace("{}", CANARY)
    words = address.split(" ")
    for text in (f"cannot open {address}", f"({address})", f"'{address}'", f"--storage={address}"):
        if len(words) == 1:
            assert CANARY not in masked(text), text
        assert CANARY not in masked(text, address)


def test_what_libraries_make_of_an_address():
    address = f"postgresql://me:a/b@{CANARY}:x%2F{CANARY}y@host/db"
    for text in (f"Port could not be cast to integer value as '{CANARY}'", f"no host {CANARY}:x/",
                 f"host='{CANARY}', port=1: /x/{CANARY}y"):  # fmt: skip
        assert CANARY not in masked(text, address)


@pytest.mark.parametrize("name", ["AccountKey", "apikey", "accesskey", "x.api_key", "token"])
def test_names_of_secrets(name):
    assert masked(f"{name}={CANARY}") == f"{name}=***"
    run = MemoryRun("0", "x", None)
    run.log_params({name: CANARY, "num_tokens": 5})
    run.set_tags({name: CANARY})
    assert (run.params, run.tags) == ({name: "***", "num_tokens": "5"}, {name: "***"})


def test_a_configuration_is_recorded_without_secrets():
    values = {"api_key": CANARY, "nested": [{"token": CANARY}], "values": [1, "a"]}
    config = AssessConfig().with_values({"data.factor_parameters": values})
    assert CANARY not in config.to_yaml()
    shown = {"api_key": "***", "nested": [{"token": "***"}], "values": [1, "a"]}
    assert yaml.safe_load(config.to_yaml())["data"]["factor_parameters"] == shown


def test_the_place_of_a_storage_is_told_without_its_password():
    engine = types.SimpleNamespace(
        url=sqlalchemy.make_url(f"postgresql://host/db?user=me&password={CANARY}")
    )
    storage = object.__new__(optuna.storages.RDBStorage)
    storage.engine = engine
    assert place_of(storage) == "postgresql://host/db?password=***&user=me"


def rgf(*arguments, monkeypatch, capsys):
    """What a command shows, on both streams."""
    monkeypatch.setattr(sys, "argv", ["rgf", *arguments])
    with pytest.raises(SystemExit):
        cli.main()
    shown = capsys.readouterr()
    return shown.out + shown.err


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:a/{}@127.0.0.1:1/db",
        "http://me:{}/b@127.0.0.1:1",
        "https://{}@127.0.0.1:1?api_key={}&x=1",
        "mssql+pyodbc://127.0.0.1:1/db?UID=me;pwd={};x=1",
        "postgressql:/me:{}@127.0.0.1/db",
    ],
)
def test_commands_show_no_secret(address, tmp_path, monkeypatch, capsys):
    address = address.replace("{}", CANARY)
    workspace = ["--workspace", str(tmp_path)]
    (tmp_path / "spool").mkdir()
    for words in (
        ("study", "show", "x", "--storage", address, *workspace),
        ("study", "show", address, *workspace),
        ("study", "show", "x", "y", address),
        ("study", "run", address),
        ("study", "run", toy_study.__file__, "--workers", address),
        ("study", f"--storage={address}"),
        ("report", address, *workspace, "--tracking-uri", address),
        ("sync", "--tracking-uri", address, *workspace),
        ("dashboard", "--storage", address, *workspace),
        ("data", "preview", "--set", f"x={'[' * 50}{address}{']' * 50}"),
        ("nonsense", address),
    ):
        shown = rgf(*words, monkeypatch=monkeypatch, capsys=capsys)
        assert CANARY not in shown, words
        assert shown.strip(), words
        assert CANARY not in os.environ["RGF_COMMAND"], words


def test_an_empty_database_is_told_without_its_password(monkeypatch, capsys):
    storage = optuna.storages.InMemoryStorage()
    monkeypatch.setattr("rgf_keras.experiments.studies.storage.open_storage", lambda url: storage)
    address = f"postgresql://me:{CANARY}@host/db"
    words = "study", "show", "x", "--storage", address
    shown = rgf(*words, monkeypatch=monkeypatch, capsys=capsys)
    assert "there are no studies in postgresql://me:***@host/db" in shown


@pytest.mark.parametrize("debug", [(), ("--debug",)])
@pytest.mark.parametrize("kind", [RuntimeError, RgfError, OSError])
def test_tracebacks_and_logs_have_no_secret(debug, kind, monkeypatch, capsys):
    monkeypatch.setenv("RGF_DEBUG", "")
    address = f"{'x' * 195} http://me:{CANARY}@host"

    def fail(*arguments):
        thread = threading.Thread(target=lambda: 1 / int(f"http://me:{CANARY}@host"))
        thread.start()
        thread.join()
        record = logging.LogRecord("urllib3", logging.WARNING, "", 1, "%s", (address,), None)
        logging.lastResort.handle(record)
        raise kind(address)

    monkeypatch.setattr("rgf_keras.cli.data._kept", fail)
    shown = rgf(*debug, "data", "list", monkeypatch=monkeypatch, capsys=capsys)
    assert CANARY not in shown
    assert shown.count("http://me:***@host") >= 3
    assert ("Traceback" in shown.split("ValueError")[-1]) == bool(debug or kind is RuntimeError)
    assert CANARY not in first_line(kind(address))


def test_records_have_no_secret(tmp_path, monkeypatch, mlflow_database):
    """Not those that wait for a server, and not those of earlier versions that are read."""
    uri = f"http://me:{CANARY}@127.0.0.1:1/x?token={CANARY}"
    monkeypatch.setenv("RGF_COMMAND", masked(f"rgf assess --tracking-uri {uri}", uri))
    values, told = {"storage": uri, "plain": "1"}, []
    tracker = MlflowTracker(uri, "x", tmp_path / "spool", tell=told.append)
    with tracker, tracker.run("x", environment_tags()) as run:
        run.log_params(values)
        run.set_tags(values)
    with pytest.raises(RgfError) as refused:
        send_backlog(uri, tmp_path / "spool")
    told += [str(refused.value), *backlogs(tmp_path / "spool")]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 3
    for text in (*told, *(path.read_text() for path in files), *map(str, files)):
        assert CANARY not in text
    database = f"sqlite:///{shutil.copy(mlflow_database, tmp_path)}"
    client = mlflow.MlflowClient(database)
    old = client.create_run("0", tags=values).info.run_id
    client.log_param(old, "storage", uri)
    read = Records(database).run(old)
    assert CANARY not in str((read.params, read.tags))
    assert read.tags["plain"] == "1"


def test_a_thread_that_exits_shows_no_traceback(capsys):
    for error in (SystemExit(0), ValueError("bad")):
        cli._show_uncaught(threading.ExceptHookArgs((type(error), error, None, None)))
    assert capsys.readouterr().err == "ValueError: bad\n\n"
