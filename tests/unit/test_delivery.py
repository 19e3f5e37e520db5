"""Who hears of what, as rooms."""

import pytest

from registro.events.decide import Person, Standing
from registro.events.types import DESK, ConversationRead
from registro.services.chat import SentMessage
from registro.services.erasure import ErasedMessage
from registro.web import delivery

ADA = Person("00000000-0000-4000-8000-000000000001", "ada", "Ada", "user")
BEA = Person("00000000-0000-4000-8000-000000000002", "bea", "Bea", "user")
ROOT = Person("00000000-0000-4000-8000-000000000003", "root", "Root", "admin")
PEOPLE = {person.id: person for person in (ADA, BEA, ROOT)}
DESK_STANDING = Standing("desk", "desk", ADA.id, DESK, 5, 0, 0)
PAIR_STANDING = Standing("pair", "pair", ADA.id, BEA.id, 5, 0, 0)


def message(sender, recipient):
    return SentMessage("id", "conversation", 1, 9, sender, recipient, "hola", 1_800_000_000_123_456)


@pytest.mark.parametrize(
    ("sender", "recipient", "by_admin", "received", "mirrored"),
    [
        ("ada", "admin", False, {"admins"}, {"user:ada"}),
        ("ada", "root", False, {"user:root", "admins"}, {"user:ada"}),
        ("ada", "bea", False, {"user:bea", "admins"}, {"user:ada"}),
        ("root", "ada", True, {"user:ada"}, {"user:root", "admins"}),
        ("root", "other", True, {"user:other"}, {"user:root", "admins"}),
    ],
)
def test_a_message_is_received_by_some_and_mirrored_to_others(
    sender, recipient, by_admin, received, mirrored
):
    first, second = delivery.message(message(sender, recipient), by_admin)
    assert (first.event, set(first.rooms)) == ("mensaje_recibido", received)
    assert (second.event, set(second.rooms)) == ("mensaje_enviado", mirrored)
    assert set(second.except_rooms) == received


def test_both_events_carry_the_fields_of_the_contract():
    for emission in delivery.message(message("ada", "admin"), False):
        assert emission.payload == {
            "de": "ada", "mensaje": "hola", "id": "id", "para": "admin", "seq": 1,
            "conversacion": "conversation", "fecha": "2027-01-15T08:00:00.123Z",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("conversation", "side", "by", "rooms"),
    [
        (DESK_STANDING, ADA.id, ADA, ("admins", "user:ada")),
        (DESK_STANDING, DESK, ROOT, ("admins", "user:ada")),
        (PAIR_STANDING, ADA.id, ADA, ("user:ada", "user:bea")),
        (PAIR_STANDING, BEA.id, BEA, ("user:ada", "user:bea")),
    ],
)
def test_a_read_mark_goes_to_both_sides(conversation, side, by, rooms):
    event = ConversationRead(conversation=conversation.id, side=side, seq=3, by=by.id)
    (emission,) = delivery.read(event, conversation, PEOPLE)
    assert emission.rooms == rooms
    assert emission.payload == {"conversacion": conversation.id, "seq": 3, "de": by.user}


def test_a_read_mark_of_somebody_forgotten_is_not_told():
    event = ConversationRead(conversation="desk", side=ADA.id, seq=3, by=ADA.id)
    assert delivery.read(event, DESK_STANDING, {}) == []


def test_typing_is_told_to_the_other_side_alone():
    assert delivery.typing(ADA, None, "c").rooms == ("admins",)
    assert delivery.typing(ROOT, ADA, "c").rooms == ("user:ada",)
    assert delivery.typing(ADA, BEA, "c").payload == {"de": "ada", "conversacion": "c"}


def test_an_erasure_is_told_to_whoever_could_see_the_message():
    emission = delivery.erased(ErasedMessage("c", 4, (ADA.id, DESK)), [ADA])
    assert emission == (
        "mensaje_borrado",
        {"conversacion": "c", "seq": 4},
        ("admins", "user:ada"),
        (),
    )
