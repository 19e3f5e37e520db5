"""Where a page may send its reader on to: places on this server, and nowhere else."""

from __future__ import annotations

import re
from urllib.parse import quote

MAX_PATH = 2000

# No second slash or backslash at the start (another host), nothing that browsers strip or decode
# into one: controls, blanks, backslashes.
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


def local(text: str | None, default: str = "/") -> str:
    """`text` when it is a path on this server (with a query, perhaps), else `default`."""
    if text is None or len(text) > MAX_PATH or not _LOCAL.fullmatch(text):
        return default
    return quote(text.partition("#")[0], safe="/?&=%:+,;@!$'()*~-._")
