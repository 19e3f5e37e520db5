"""Signed notes and checkpoints, in the forms that transparency logs use.

Sources: C2SP signed-note (the note, its key names and key hashes, Ed25519 as signature type 1)
and C2SP tlog-checkpoint (the three lines of the text). Keys are written as Go's
`golang.org/x/mod/sumdb/note` writes them, which the specification takes over for public keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from registro.errors import NoteError

_ED25519 = b"\x01"
_DASH = "\u2014"
_NAME = re.compile(r"[^\s+]+")


class Verifier(NamedTuple):
    """A public key with the name that it signs for."""

    name: str
    public: bytes

    @property
    def hash(self) -> bytes:
        """The four bytes by which a signature says whose it is."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        """The C2SP verifier key: `name+hash+key`."""
        key = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.hash.hex()}+{key}"


class Signer(NamedTuple):
    """A private key with its name. Its text form is a secret."""

    name: str
    seed: bytes

    @property
    def verifier(self) -> Verifier:
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return Verifier(self.name, public.public_bytes_raw())

    def text(self) -> str:
        key = base64.b64encode(_ED25519 + self.seed).decode()
        return f"PRIVATE+KEY+{self.name}+{self.verifier.hash.hex()}+{key}"

    def __repr__(self) -> str:
        return f"Signer({self.name!r})"


def check_name(name: str) -> str:
    """The name, if a key may carry it: not empty, no white space, no plus. Raises NoteError."""
    if not _NAME.fullmatch(name):
        raise NoteError(f"key name {name!r}: expected no white space and no plus sign")
    return name


def parse_verifier(text: str) -> Verifier:
    """A public key from its text form. Raises NoteError."""
    name, _, rest = text.strip().partition("+")
    hash_, _, key = rest.partition("+")
    verifier = Verifier(check_name(name), _key_bytes(key))
    if hash_ != verifier.hash.hex():
        raise NoteError(f"verifier key of {name!r}: the hash {hash_!r} is not that of the key")
    return verifier


def parse_signer(text: str) -> Signer:
    """A private key from its text form. Raises NoteError, without the key in the message."""
    parts = text.strip().split("+", 4)
    if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
        raise NoteError("private key: expected PRIVATE+KEY+name+hash+key")
    signer = Signer(check_name(parts[2]), _key_bytes(parts[4]))
    if parts[3] != signer.verifier.hash.hex():
        raise NoteError("private key: the hash is not that of the key")
    return signer


def _key_bytes(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != 33 or data[:1] != _ED25519:
        raise NoteError("key: expected base64 of 0x01 and 32 bytes")
    return data[1:]


def sign(text: str, signer: Signer) -> str:
    """The signed note of a text that ends with a line feed."""
    if not text.endswith("\n"):
        raise NoteError("the text of a note ends with a line feed")
    signature = Ed25519PrivateKey.from_private_bytes(signer.seed).sign(text.encode())
    encoded = base64.b64encode(signer.verifier.hash + signature).decode()
    return f"{text}\n{_DASH} {signer.name} {encoded}\n"


def open_note(note: str, verifier: Verifier) -> str:
    """The text of a note that the key signed. Raises NoteError for any other note."""
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise NoteError("this is no signed note")
    text += "\n"
    for line in signatures.splitlines():
        if _is_signature(line, verifier, text):
            return text
    raise NoteError(f"the note has no valid signature of {verifier.name}")


def _is_signature(line: str, verifier: Verifier, text: str) -> bool:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != _DASH or name != verifier.name:
        return False
    try:
        data = base64.b64decode(encoded, validate=True)
        Ed25519PublicKey.from_public_bytes(verifier.public).verify(data[4:], text.encode())
    except (binascii.Error, InvalidSignature, ValueError):
        return False
    return data[:4] == verifier.hash


class Checkpoint(NamedTuple):
    """What a log was at one moment: whose, how long, and the root of its tree."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """A checkpoint from its text, signed or not; a signature is not checked. Raises NoteError."""
    lines = text.split("\n")
    try:
        origin, size, root = lines[:3]
        if not origin or not re.fullmatch("0|[1-9][0-9]{0,18}", size):
            raise NoteError(f"checkpoint: size {size!r} is no number, or the origin is empty")
        checkpoint = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
    except ValueError as error:
        raise NoteError(f"this is no checkpoint: {error}") from None
    if len(checkpoint.root) != 32:
        raise NoteError("checkpoint: the root is not 32 bytes long")
    return checkpoint
