"""Debian's nginx with the very text of deploy/nginx/registro.conf, on other ports."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.databases import ROOT, free_port

CONFIGURATION = ROOT / "deploy" / "nginx" / "registro.conf"

_MAIN = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/registro.conf;
}}
"""


def configuration(port: int, workers: Sequence[int], certificate: Path | None = None) -> str:
    """The text in deploy/, which listens on `port` and passes to `workers`; with a certificate (and
    its key), the lines for TLS take the place of those for port 80."""
    text = CONFIGURATION.read_text()
    if certificate is not None:
        text = _only_sub(r"    listen 80;\n    server_name _;\n", "", text)
        text = re.sub(r"(?m)^    # (listen 443|server_name|ssl_)", r"    \1", text)
        text = re.sub(r"(ssl_certificate(?:_key)?) +\S+;", rf"\1 {certificate};", text)
    text = _only_sub(r"listen (80|443)", f"listen 127.0.0.1:{port}", text)
    servers = "".join(f"    server 127.0.0.1:{worker} max_fails=0;\n" for worker in workers)
    return _only_sub(r"(    server 127\.0\.0\.1:\d+ max_fails=0;\n)+", servers, text)


def _only_sub(pattern: str, new: str, text: str) -> str:
    """Replaces what is there once, outside comments."""
    text, count = re.subn(rf"(?m)^(?! *#)(.*?){pattern}", rf"\g<1>{new}", text)
    assert count == 1, pattern
    return text


def make_certificate(file: Path) -> None:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


class Nginx:
    """A running nginx in front of `workers`, their ports; `certificate` is a file for TLS."""

    def __init__(
        self, folder: Path, workers: Sequence[int], certificate: Path | None = None
    ) -> None:
        self._folder = folder
        self._workers = workers
        self.certificate = certificate
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}"

    def __enter__(self) -> Nginx:
        self._folder.mkdir(exist_ok=True)
        text = configuration(self.port, self._workers, self.certificate)
        (self._folder / "registro.conf").write_text(text)
        user = "" if os.geteuid() else "user root;"  # or it could not read its own folder
        main = _MAIN.format(folder=self._folder, user=user)
        (self._folder / "nginx.conf").write_text(main)
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        if program is None:
            raise RuntimeError("nginx is missing: scripts/test installs it")
        self._process = subprocess.Popen(
            [program, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf"),
             "-e", str(self._folder / "error.log")]
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx did not start:\n{self.errors()}")
            time.sleep(0.02)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)

    def errors(self) -> str:
        """What it logged."""
        log = self._folder / "error.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False
