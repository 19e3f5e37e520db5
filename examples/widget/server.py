"""A shop that has Registro's chat on its page: a page, and a route that mints tokens.

    JWT_SECRET=… python examples/widget/server.py --desk http://127.0.0.1:3000 --port 8000

Registro has to know the same JWT_SECRET, and http://127.0.0.1:8000 has to be in its
REGISTRO_ALLOWED_ORIGINS. A real shop would take the user from its own session: here everybody is
the one that --user names.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
PAGE = (HERE / "index.html").read_text("utf-8")
STYLE = (HERE / "shop.css").read_text("utf-8")


def token(user: str, name: str, secret: str) -> str:
    """A JSON Web Token (RFC 7519, HS256) as Registro wants it, good for ten minutes."""
    now = int(time.time())
    claims = {"user": user, "name": name, "rol": "user", "iat": now, "exp": now + 600}
    parts = [_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims)]
    signed = ".".join(parts)
    signature = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Shop(BaseHTTPRequestHandler):
    desk = ""
    user = ""
    secret = ""

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer("text/html; charset=utf-8", PAGE.replace("{{desk}}", self.desk))
        elif self.path == "/shop.css":
            self._answer("text/css; charset=utf-8", STYLE)
        elif self.path == "/chat-token":
            text = token(self.user, self.user.title(), self.secret)
            self._answer("application/json", json.dumps({"token": text}))
        elif self.path == "/favicon.ico":
            self.send_response(204)
            self.end_headers()
        else:
            self.send_error(404)

    def _answer(self, type_: str, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", type_)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        # All that a policy has to allow for the widget: the script and the frame.
        policy = f"default-src 'self'; script-src {self.desk}; frame-src {self.desk}"
        self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Says nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description="A shop with Registro's chat on its page.")
    parser.add_argument("--desk", default="http://127.0.0.1:3000", help="where Registro is")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument("--user", default="clara", help="who is signed in")
    options = parser.parse_args()
    Shop.desk, Shop.user, Shop.secret = options.desk, options.user, os.environ["JWT_SECRET"]
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Shop)
    print(f"The shop is at http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
