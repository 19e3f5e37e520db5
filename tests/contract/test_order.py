"""One sender's messages are stored and delivered in the order sent."""

from tests.support.world import messages, stored_texts, texts

COUNT = 1000
"""As many as the default settings let one user send at once."""


def in_bulk(stem):
    return [f"{stem} {number}" for number in range(COUNT)]


def test_a_thousand_messages_sent_without_waiting_keep_their_order(world):
    admin, user = world.admin(), world.user()
    sent = in_bulk(user.user)
    answers = [user.emit("mensaje_privado", {"para": "admin", "mensaje": t}) for t in sent]
    assert [answer.value["seq"] for answer in answers] == list(range(1, COUNT + 1))
    world.settle(admin, user)
    assert [t for t in texts(admin) if t in set(sent)] == sent
    assert [t for t in stored_texts(world.server) if t in set(sent)] == sent
    assert messages(user, "mensaje_enviado") == []


def test_order_holds_while_the_transport_is_upgraded(upgrading):
    admin = upgrading.admin()
    user = upgrading.arrive("hasty", "user")
    sent = in_bulk("hasty")
    user.wait(lambda: user.count("connect"), "to be connected")
    for text in sent:
        user.tell("mensaje_privado", {"para": "admin", "mensaje": text})
    user.connected()
    admin.next("mensaje_recibido", COUNT)
    assert texts(admin) == sent


def test_several_senders_at_once_are_each_in_order_and_gapless(world):
    admin = world.admin()
    senders = [world.user() for _ in range(5)]
    for number in range(100):
        for sender in senders:
            sender.tell("mensaje_privado", {"para": "admin", "mensaje": f"{sender.user} {number}"})
    admin.next("mensaje_recibido", 500)
    for sender in senders:
        received = [m for m in messages(admin) if m["de"] == sender.user]
        assert [m["mensaje"] for m in received] == [f"{sender.user} {n}" for n in range(100)]
        assert [m["seq"] for m in received] == list(range(1, 101))


def test_two_people_writing_into_one_conversation_see_one_order(world):
    admin, user, watcher = world.admin(), world.user(), world.admin()
    answers = []
    for number in range(100):
        for writer, para, text in ((user, "admin", "pregunta"), (admin, user.user, "respuesta")):
            payload = {"para": para, "mensaje": f"{text} {number}"}
            answers.append(writer.emit("mensaje_privado", payload))
    assert all(answer.value["ok"] for answer in answers)
    world.settle(watcher, user, admin)
    seen = [
        event["args"][0]["seq"]
        for event in watcher.of("event")
        if event["name"] in ("mensaje_recibido", "mensaje_enviado")
        if {event["args"][0]["de"], event["args"][0]["para"]} & {user.user}
        if event["args"][0]["mensaje"].startswith(("pregunta", "respuesta"))
    ]
    assert seen == list(range(1, 201))
