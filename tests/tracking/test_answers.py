"""What answers of a server, or of a proxy before it, mean for what is sent."""

import contextlib
import http.server
import json
import threading
import time

import pytest

from rgf_keras.tracking import mlflow_tracker, sender
from rgf_keras.tracking.destination import Away, Batch, Refusal, Unreachable
from rgf_keras.tracking.mlflow_store import MlflowStore
from rgf_keras.tracking.mlflow_tracker import MlflowTracker

RUN = 32 * "a"
LOGIN = "<html>log in</html>"


def mlflows(code, message):
    return json.dumps({"error_code": code, "message": message})


class Server(http.server.ThreadingHTTPServer):
    """Answers all requests alike."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server_port}"
        self.answer, self.seconds_per_byte = (200, LOGIN), 0.0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, text = self.server.answer
        if self.path == "/login":
            status, text = 200, LOGIN
        self.send_response(status)
        self.send_header("Location", "/login")
        kind = "application/json" if text.startswith("{") else "text/html"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        with contextlib.suppress(OSError):  # nobody waits any longer
            for byte in text.encode():
                self.wfile.write(bytes([byte]))
                time.sleep(self.server.seconds_per_byte)

    do_GET = do_POST = do_PUT = do_PATCH = answer

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def the_server():
    return Server()


@pytest.fixture
def server(the_server):
    the_server.answer, the_server.seconds_per_byte = (200, LOGIN), 0.0
    return the_server


@pytest.mark.parametrize(
    ("status", "text", "kind", "reason"),
    [
        (413, "<html>nginx</html>", Refusal, "too large for the server or a proxy before it"),
        (400, "<html>Request Header Too Large</html>", Refusal, "400"),
        (400, mlflows("INVALID_PARAMETER_VALUE", "a bad name"), Refusal, "a bad name"),
        (404, mlflows("RESOURCE_DOES_NOT_EXIST", "no such run"), Refusal, "no such run"),
        (404, "<html>nginx</html>", Unreachable, "404"),
        (401, mlflows("UNAUTHENTICATED", "who are you"), Unreachable, "who are you"),
        (403, "<html>no</html>", Unreachable, "403"),
        (429, "<html>slower</html>", Unreachable, "429"),
        (500, "<html>oops</html>", Unreachable, "500"),
        (503, "<html>away</html>", Unreachable, "503"),
        (302, "", Unreachable, "no MLflow; perhaps it asks for a login"),
    ],
)
def test_what_an_answer_means(server, status, text, kind, reason):
    server.answer = status, text
    store = MlflowStore(server.uri)
    with pytest.raises(kind, match=reason) as raised:
        store.send(RUN, Batch(header={"parent": None}, tags={"x": "y"}))
    assert not isinstance(raised.value, Away)
    store.close()


def test_no_answer(server, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    server.seconds_per_byte = 3.0
    for uri in (server.uri, "http://127.0.0.1:9"):
        store = MlflowStore(uri)
        with pytest.raises(Away):
            store.send(RUN, Batch(header={"parent": None}, tags={"x": "y"}))
        store.close()


def test_a_server_that_trickles_holds_nothing_up(server, monkeypatch, tmp_path):
    monkeypatch.setattr(mlflow_tracker, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(sender, "CLOSING_SECONDS", 0.2)
    server.answer, server.seconds_per_byte = (200, mlflows("x", "y" * 10_000)), 0.1
    told, began = [], time.monotonic()
    tracker = MlflowTracker(server.uri, "slow", tmp_path / "spool", tell=told.append)
    run = tracker.start("trial", {})
    run.log_metrics({"loss": 1.0})
    run.finish()
    tracker.sender.close()
    assert time.monotonic() - began < 5
    assert "no answer within" in told[0]
    assert "are not in MLflow at" in told[1]
    assert tracker.spool.backlog().records == 4
