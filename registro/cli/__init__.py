"""The `registro` command: a module a group, exit codes 0 (done), 1 (a finding), 2 (wrong use)."""

from __future__ import annotations

import click

from registro import __version__
from registro.cli import (
    backup,
    checkpoint,
    doctor,
    erase,
    files,
    fixtures,
    import_original,
    log,
    migrate,
    projections,
    replay,
    serve,
    user,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="registro")
def main() -> None:
    """Registro: a support chat whose record can be trusted."""


main.add_command(serve.serve)
main.add_command(migrate.migrate)
main.add_command(user.user)
main.add_command(fixtures.fixtures)
main.add_command(log.log)
main.add_command(projections.projections)
main.add_command(replay.replay)
main.add_command(checkpoint.checkpoint)
main.add_command(checkpoint.prove)
main.add_command(erase.erase)
main.add_command(files.files)
main.add_command(import_original.import_original)
main.add_command(doctor.doctor)
main.add_command(backup.backup)
