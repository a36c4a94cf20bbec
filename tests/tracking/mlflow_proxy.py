"""A proxy before an MLflow server, with the ways of proxies."""

import contextlib
import http.client
import http.server
import threading
import time

MOST_BYTES = 1_000_000


class Proxy(http.server.ThreadingHTTPServer):
    """Refuses what is larger than 1 MB, and does what ``mode`` says with the rest.

    Args:
        port: of the server behind it.

    Attributes:
        mode: ``pass``, ``redirect`` (to a page to log in), ``error``, ``timeout`` or ``away``.
    """

    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind, self.mode, self.num_asked = port, "pass", 0
        self.uri = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def handle_request_of_any_kind(self):
        self.server.num_asked += 1
        mode, size = self.server.mode, int(self.headers.get("Content-Length") or 0)
        with contextlib.suppress(OSError):
            body = self.rfile.read(size)
            if self.path == "/login":
                self.reply(200, b"<html>log in</html>")
            elif mode == "away":
                self.close_connection = True
            elif mode == "timeout":
                time.sleep(1.5)
                self.reply(504, b"<html>timeout</html>")
            elif mode == "redirect":
                self.reply(302, b"", Location="/login")
            elif mode == "error":
                self.reply(500, b"<html>oops</html>")
            elif size > MOST_BYTES:
                self.reply(413, b"<html>Request Entity Too Large</html>")
            else:
                self.forward(body)

    def forward(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.reply(answer.status, content, **{"Content-Type": answer.headers["Content-Type"]})

    def reply(self, status, content, **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = handle_request_of_any_kind

    def log_message(self, *arguments):
        pass
