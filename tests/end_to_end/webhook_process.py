"""A process in place of n8n's webhook, with the standard library alone: `python webhook_process.py PORT`.

A POST, such as to `/webhook/heygen-video`, answers 200 and records the delivery; `GET /deliveries` lists all of them.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

deliveries: list[dict[str, object]] = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        deliveries.append({"path": self.path, "headers": headers, "body": body})
        self._answer({"message": "Workflow was started"})

    def do_GET(self) -> None:
        self._answer(deliveries)

    def _answer(self, content: object) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
