"""What admins do to accounts: roles, disabling, invitations, resets, the end of sessions.

Nobody takes the last admin away: whoever takes one away is an admin, has to be one still when that
is recorded, and cannot do it to themselves. (The command line can: whoever runs it can make
another.)
"""

from __future__ import annotations

from collections.abc import Callable

from registro.db.connection import Pool
from registro.errors import Conflict, Refused, Unavailable
from registro.events import reader, types
from registro.events.decide import DESK_NAME, Person
from registro.events.store import draft
from registro.events.types import Event, Role
from registro.events.writer import LogWriter
from registro.services import directory, links
from registro.services.accounts import Accounts
from registro.services.links import PasswordLinks
from registro.services.sessions import Sessions

_ATTEMPTS = 5


class Administration:
    """Acts of one person on another's account; each is an event that names who did it.

    All raise Refused: `no_autorizado` (with `reason`: `self`) for what one may not do oneself,
    or to oneself, `destinatario_desconocido`; Unavailable.
    """

    def __init__(
        self,
        writer: LogWriter,
        readers: Pool,
        accounts: Accounts,
        sessions: Sessions,
        password_links: PasswordLinks,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._accounts = accounts
        self._sessions = sessions
        self._links = password_links

    async def change_role(self, by: Person, user_id: str, role: Role) -> None:
        """Raises Refused `datos_invalidos` when somebody named for the desk would be a user."""

        def decide(person: Person) -> Event | None:
            if role == "user" and person.user == DESK_NAME:
                raise Refused("datos_invalidos", field="role")
            return None if person.role == role else types.UserRoleChanged(role=role, by=by.id)

        await self._decide(by, user_id, decide)

    async def set_disabled(self, by: Person, user_id: str, disabled: bool) -> None:
        """Locks somebody out, at once, or lets them in again."""
        event = types.UserDisabled(by=by.id) if disabled else types.UserEnabled(by=by.id)
        person = await self._decide(
            by, user_id, lambda person: None if person.disabled == disabled else event
        )
        if disabled:  # enabled again, nobody is still logged in from before
            await self._sessions.end_all(person, by.id)

    async def reset_password(self, by: Person, user_id: str) -> str:
        """Takes somebody's password and sessions away; returns the text of the link with which they
        set another."""
        person = await self._decide(by, user_id, lambda _: types.UserPasswordReset(by=by.id))
        text = await self._links.make(person, links.RESET)
        await self._sessions.end_all(person, by.id)
        return text

    async def invite(self, by: Person, user: str, name: str, role: Role) -> tuple[Person, str]:
        """Makes an account without a password; returns it and the text of the link with which its
        owner sets one. Raises Refused as `Accounts.register` does."""
        person = await self._accounts.register(user, name, role, "invitation", by=by.id)
        return person, await self._links.make(person, links.INVITATION)

    async def _decide(
        self, by: Person, user_id: str, decide: Callable[[Person], Event | None]
    ) -> Person:
        """Appends what `decide` makes of a person as they are, unless it makes nothing of it;
        returns them as they were."""
        if by.id == user_id:
            raise Refused("no_autorizado", reason="self")
        actor_stream, stream = f"user/{by.id}", f"user/{user_id}"
        for _ in range(_ATTEMPTS):
            async with self._readers.connection() as connection:
                # Versions first: what changes after them is a conflict.
                versions = await reader.versions(connection, [actor_stream, stream])
                people = await directory.read(connection, [by.id, user_id])
            actor, person = people.get(by.id), people.get(user_id)
            if actor is None or not actor.is_admin or actor.disabled:
                raise Refused("no_autorizado")
            if person is None:
                raise Refused("destinatario_desconocido")
            event = decide(person)
            if event is None:
                return person
            given = {actor_stream: versions[actor_stream]}
            try:
                await self._writer.append(
                    draft(stream, event, expected=versions[stream], given=given)
                )
            except Conflict:
                continue
            return person
        raise Unavailable("an account changes all the time")
