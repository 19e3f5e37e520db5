"""Which projections there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from registro.projections import (
    actions,
    activity,
    answers,
    connections,
    conversations,
    hours,
    mailings,
    messages,
    presence,
    search,
    sessions,
    subjects,
    users,
    views,
)
from registro.projections.projection import Projection

INLINE: tuple[Projection, ...] = (
    users.PROJECTION,
    sessions.PROJECTION,
    connections.PROJECTION,
    presence.PROJECTION,
    conversations.PROJECTION,
    messages.PROJECTION,
    actions.PROJECTION,
    subjects.PROJECTION,
    views.PROJECTION,
    answers.PROJECTION,
    hours.PROJECTION,
)
"""Folded in the transaction that appends: what was acknowledged is on the next page."""

FOLLOWING: tuple[Projection, ...] = (
    activity.PROJECTION,
    search.PROJECTION,
    mailings.PROJECTION,
)
"""Folded a moment later, in transactions of their own, up to a checkpoint of their own."""

ALL = (*INLINE, *FOLLOWING)

BY_NAME = {projection.name: projection for projection in ALL}


def _folded(versions: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


FOLDED = _folded({projection.name: projection.version for projection in INLINE})
"""What the head row has to say of the projections for this program to append."""


def folded_with(folded: str | None, projections: Iterable[Projection]) -> str:
    """What the head row says, which says `folded` now, once these projections are in place."""
    versions: dict[str, int] = {}
    for one in filter(None, (folded or "").split(", ")):
        name, _, version = one.rpartition(" ")
        versions[name] = int(version)
    versions |= {one.name: one.version for one in projections if one in INLINE}
    return _folded(versions)


def kept_inline(versions: Mapping[str, int]) -> str:
    """What the head row says when the tables were folded by code of these versions."""
    following = {projection.name for projection in FOLLOWING}
    return _folded({name: one for name, one in versions.items() if name not in following})
