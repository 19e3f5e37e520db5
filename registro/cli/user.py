"""`registro user`: accounts."""

from __future__ import annotations

import json

import click

from registro.cli.common import WrongUse, asynchronous, load_settings
from registro.events.decide import Person
from registro.events.record import rfc3339
from registro.events.types import COMMAND_LINE, Role
from registro.services import Services, running

ROLE = click.Choice(["user", "admin"])


@click.group()
def user() -> None:
    """Add, list and change accounts."""


def _ask_password() -> str:
    text: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return text


async def _known(services: Services, name: str) -> Person:
    person = await services.directory.by_user(name)
    if person is None:
        raise WrongUse(f"there is no user {name!r}")
    return person


@user.command()
@click.argument("user")
@click.option("--name", help="Name to show (default: the user's).")
@click.option("--role", type=ROLE, default="user", show_default=True)
@click.option("--password", help="The password; without it, it is asked for.")
@asynchronous
async def add(user: str, name: str | None, role: Role, password: str | None) -> None:
    """Make an account."""
    password = password if password is not None else _ask_password()
    async with running(load_settings()) as services:
        await services.accounts.register(user, name or user, role, "command-line", password)
    click.echo(f"{role} {user} added")


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@asynchronous
async def list_(as_json: bool) -> None:
    """List the accounts."""
    async with running(load_settings()) as services, services.readers.connection() as connection:
        rows = await connection.fetch_all(
            "SELECT user, name, role, disabled, registered_at FROM users ORDER BY user"
        )
    for name, shown, role, disabled, at in rows:
        if as_json:
            fields = {"user": name, "name": shown, "role": role, "disabled": bool(disabled),
                      "registered_at": rfc3339(at)}  # fmt: skip
            click.echo(json.dumps(fields, ensure_ascii=False))
        else:
            click.echo(f"{role:5} {'disabled ' if disabled else ''}{name}  ({shown})")


@user.command()
@click.argument("user")
@click.option("--undo", is_flag=True, help="Let them in again.")
@asynchronous
async def disable(user: str, undo: bool) -> None:
    """Lock somebody out: at once, open sockets too."""
    async with running(load_settings()) as services:
        person = await _known(services, user)
        await services.accounts.set_disabled(person, not undo, COMMAND_LINE)
    click.echo(f"{user} {'enabled' if undo else 'disabled'}")


@user.command()
@click.argument("user")
@click.argument("role", type=ROLE)
@asynchronous
async def role(user: str, role: Role) -> None:
    """Change somebody's role."""
    async with running(load_settings()) as services:
        await services.accounts.change_role(await _known(services, user), role, COMMAND_LINE)
    click.echo(f"{user} is {role} now")


@user.command()
@click.argument("user")
@click.option("--password", help="The password; without it, it is asked for.")
@asynchronous
async def password(user: str, password: str | None) -> None:
    """Set somebody's password."""
    password = password if password is not None else _ask_password()
    async with running(load_settings()) as services:
        person = await _known(services, user)
        await services.accounts.set_password(person, password, COMMAND_LINE)
    click.echo(f"password of {user} set")
