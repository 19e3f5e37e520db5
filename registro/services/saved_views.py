"""Lists of the inbox that admins gave names, for themselves or for all."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from registro.db.connection import Pool
from registro.errors import Refused
from registro.events import decide
from registro.events.decide import Person, SavedView
from registro.events.store import draft
from registro.events.writer import LogWriter

LISTED = 20
"""Views that are shown of each kind: one's own, and shared ones. Nobody saves more."""

_COLUMNS = "SELECT id, owner_id, name, address, shared FROM desk_views"


class SavedViews:
    """Raises Refused (see `decide`) and Unavailable."""

    def __init__(self, writer: LogWriter, readers: Pool) -> None:
        self._writer = writer
        self._readers = readers

    async def of(self, admin: Person) -> Sequence[SavedView]:
        """An admin's own views and the shared ones, by name."""
        arm = "SELECT * FROM ({} LIMIT :limit) AS {}"
        own = arm.format(f"{_COLUMNS} WHERE shared = 0 AND owner_id = :owner", "arm_own")
        shared = arm.format(f"{_COLUMNS} WHERE shared = 1", "arm_every")
        async with self._readers.connection() as connection:
            records = await connection.fetch_all(
                f"{own} UNION ALL {shared}", owner=admin.id, limit=LISTED
            )
        views = [_view(*record) for record in records]
        return sorted((view for view in views if view.name), key=lambda view: view.name.casefold())

    async def save(self, admin: Person, id_: str, name: str, address: str, shared: bool) -> str:
        """Saves a new view (without `id_`), or what a view is called and for whom it is; gives its
        id. One has 20 of one's own, and all have 20 shared ones: `datos_invalidos` for more."""
        view = await self._find(id_) if id_ else None
        event = decide.save_view(
            admin, view, name, address if view is None else view.address, shared
        )
        if view is None or view.shared is not shared:
            others = [one for one in await self.of(admin) if one.shared is shared]
            if len(others) >= LISTED:
                raise Refused("datos_invalidos")
        id_ = id_ or str(uuid4())
        if event is not None:
            await self._writer.append(draft(f"view/{id_}", event))
        return id_

    async def remove(self, admin: Person, id_: str) -> None:
        event = decide.remove_view(admin, await self._find(id_))
        await self._writer.append(draft(f"view/{id_}", event))

    async def _find(self, id_: str) -> SavedView:
        async with self._readers.connection() as connection:
            record = await connection.fetch_one(f"{_COLUMNS} WHERE id = :id", id=id_)
        if record is None:
            raise Refused("no_autorizado")
        return _view(*record)


def _view(id_: str, owner: str, name: str, address: str, shared: int) -> SavedView:
    return SavedView(id_, owner, name, address, bool(shared))
