"""`registro checkpoint` and `registro prove`: what others need to check the log."""

from __future__ import annotations

import json
from pathlib import Path

import click

from registro.cli.common import Found, WrongUse, asynchronous, load_settings
from registro.errors import NoteError
from registro.events import note
from registro.events.note import Signer, Verifier
from registro.services import checkpoints, running

FILE = click.Path(path_type=Path)


@click.command()
@click.option(
    "--new-key", type=FILE, help="Make a signing key in this file, and print the public one."
)
@click.option(
    "--origin",
    default="registro",
    show_default=True,
    help="With --new-key: the log's name, such as example.org/support.",
)
@click.option("--key", type=FILE, help="Signing key (default: REGISTRO_CHECKPOINT_KEY).")
@click.option("--to", type=FILE, help="Folder or file to write to (default: standard output).")
@click.option("--public", is_flag=True, help="Only print the public key.")
@asynchronous
async def checkpoint(
    new_key: Path | None, origin: str, key: Path | None, to: Path | None, public: bool
) -> None:
    """Sign what the log is now: a C2SP tlog-checkpoint in a C2SP signed note.

    Keep it where those who can write the database cannot: later, `registro log verify
    --checkpoint FILE` shows whether the log still is what it was.
    """
    if new_key is not None:
        click.echo(checkpoints.new_key(new_key, origin))
        return
    settings = load_settings()
    signer = _signer(key or settings.checkpoint_key)
    if public:
        click.echo(signer.verifier)
        return
    async with running(settings) as services, services.readers.connection() as connection:
        current = await checkpoints.current(connection, signer.name)
    signed = note.sign(current.text(), signer)
    if to is None:
        click.echo(signed, nl=False)
    else:
        click.echo(checkpoints.write(to, signed, current.size))


def _signer(path: Path | None) -> Signer:
    if path is None:
        raise WrongUse("no signing key: say --key FILE, or set REGISTRO_CHECKPOINT_KEY")
    return checkpoints.read_key(path)


@click.command()
@click.argument("position", type=click.IntRange(1), required=False)
@click.option("--against", type=FILE, help="The checkpoint to prove against (default: one of now).")
@click.option(
    "--from", "old", type=FILE, help="Prove that --against continues this older checkpoint."
)
@click.option("--check", type=FILE, help="Check a proof file; needs no database.")
@click.option("--verifier", help="With --check: the public key that must have signed.")
@click.option("--key", type=FILE, help="Signing key (default: REGISTRO_CHECKPOINT_KEY).")
@asynchronous
async def prove(
    position: int | None,
    against: Path | None,
    old: Path | None,
    check: Path | None,
    verifier: str | None,
    key: Path | None,
) -> None:
    """Prove to others that an event is in the log, or that a log continues an older one.

    Prints a proof file (JSON). Anybody can check it with --check, without the database.
    """
    if check is not None:
        click.echo(_check(check, verifier))
        return
    if (position is None) == (old is None):
        raise WrongUse("say a position, or --from OLD --against NEW, or --check FILE")
    settings = load_settings()
    async with running(settings) as services, services.readers.connection() as connection:
        if against is None:
            signer = _signer(key or settings.checkpoint_key)
            current = await checkpoints.current(connection, signer.name)
            signed = note.sign(current.text(), signer)
        else:
            signed = _text(against)
        if position is not None:
            proof = await checkpoints.inclusion_file(connection, position, signed)
        else:
            proof = await checkpoints.consistency_file(connection, _text(old), signed)
    click.echo(json.dumps(proof, ensure_ascii=False, indent=1))


def _check(path: Path, verifier: str | None) -> str:
    key: Verifier | None = None if verifier is None else note.parse_verifier(verifier)
    try:
        proof = json.loads(_text(path))
        proven = checkpoints.check(proof, key)
    except (NoteError, ValueError) as error:
        raise Found(f"not proven: {error}") from None
    warning = "" if key else "\n(no --verifier was given, so nobody checked who signed)"
    return f"proven: {proven}{warning}"


def _text(path: Path | None) -> str:
    try:
        return (path or Path()).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"{path}: {error}") from None
