"""Office hours over HTTP: set by admins, told to everybody."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tests.web.conftest import ADMIN, USER, Site, events

FORM = "/admin/horario/guardar"
ALWAYS = {f"{end}_{day}_0": "00:00" for day in range(7) for end in ("desde", "hasta")}
NEVER = {"activo": "on", "zona": "UTC"}


def save(site: Site, **fields: str) -> int:
    return site.as_(ADMIN, "admin").post(FORM, data=fields).status_code


def shown(site: Site, **cookies: str) -> tuple[bool, str]:
    """Whether a user's chat page shows the notice, and what is in it."""
    client = site.as_(USER)
    for name, value in cookies.items():
        client.cookies.set(name, value)
    page = client.get("/soporte").text
    found = re.search(r'<div class="hours[^>]*>.*?</div>', page, re.DOTALL)
    assert found is not None
    return " hidden>" not in found[0].partition("\n")[0], re.sub(r"<[^>]+>|\s+", " ", found[0])


def test_without_hours_nothing_is_told(site: Site) -> None:
    assert save(site) == 303
    assert shown(site)[0] is False
    assert site.client().get("/api/horario").json() == {"configurado": False}


def test_an_open_desk_says_so_in_the_readers_language(site: Site) -> None:
    assert save(site, **NEVER, **ALWAYS) == 303
    there, words = shown(site)
    assert there
    assert "Ahora estamos disponibles." in words
    assert "Respondemos de lunes a domingo, todo el día." in words
    assert "Open now." in shown(site, lang="en")[1]


def test_a_closed_desk_says_when_it_is_back_and_what_admins_wrote(site: Site) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    day = {f"desde_{tomorrow.weekday()}_0": "09:00", f"hasta_{tomorrow.weekday()}_0": "18:00"}
    save(site, **NEVER, **day, aviso_es="¡Volvemos <pronto>!", aviso_en="Back <soon>!")
    assert "volvemos mañana a las 09:00." in shown(site)[1]
    in_tokyo = shown(site, zona="Asia/Tokyo")[1]
    assert "a las 18:00 (su hora)." in in_tokyo
    assert "9:00–18:00 (hora de UTC)" in in_tokyo
    assert "¡Volvemos &lt;pronto&gt;!" in shown(site)[1]
    told = site.client().get("/api/horario?lang=en&zona=Asia/Tokyo").json()
    assert (told["abierto"], told["aviso"]) == (False, "Back <soon>!")
    assert told["ahora"].endswith("18:00 (your time).")
    assert told["cambia"] == f"{tomorrow:%Y-%m-%d}T09:00:00.000Z"
    assert "9:00–18:00 (time of UTC)" in told["horario"]


def test_a_change_is_an_event_with_its_actor_and_saving_the_same_is_none(site: Site) -> None:
    save(site, **NEVER, cerrado="2030-01-01\n2030-08-01/2030-08-15")
    before = events(site, "desk:hours:changed")
    assert before[-1]["closed"] == ["2030-01-01", "2030-08-01/2030-08-15"]
    assert before[-1]["zone"] == "UTC"
    assert before[-1]["by"]
    save(site, **NEVER, cerrado="2030-08-01/2030-08-15\n\n2030-01-01")
    assert len(events(site, "desk:hours:changed")) == len(before)


def test_what_is_wrong_is_shown_in_the_form_and_nothing_changes(site: Site) -> None:
    save(site, **NEVER)
    client = site.as_(ADMIN, "admin")
    answer = client.post(FORM, data=NEVER | {"cerrado": "el lunes", "desde_0_0": "09:00"})
    assert answer.status_code == 400
    assert 'id="week-problem"' in answer.text
    assert "el lunes</textarea>" in answer.text
    assert client.post(FORM, data=NEVER | {"zona": "Mars/One"}).status_code == 400
    assert events(site, "desk:hours:changed")[-1]["closed"] == []


def test_users_cannot_set_them(site: Site) -> None:
    assert site.as_(USER).post(FORM, data=NEVER).status_code == 403
