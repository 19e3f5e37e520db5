"""Changing one's own password over HTTP."""

from __future__ import annotations

import httpx

from tests.web.conftest import Site, events, heading
from tests.web.test_people import PASSWORD, log_in, new_person

OTHER = "grapa de batería 8"
CHANGE = "/preferencias/clave/cambiar"


def change(client: httpx.Client, old: str, new: str) -> httpx.Response:
    return client.post(CHANGE, data={"actual": old, "pass": new})


def test_ones_own_password_is_changed_and_the_other_sessions_end(site: Site) -> None:
    user = new_person(site)
    here, elsewhere = log_in(site, user), log_in(site, user)
    done = change(here, PASSWORD, OTHER)
    assert done.headers["location"] == "/preferencias?clave=1"
    assert "Se ha cambiado la contraseña" in here.get(done.headers["location"]).text
    assert elsewhere.get("/preferencias").headers["location"].startswith("/login")
    log_in(site, user, OTHER)
    old = site.client().post("/auth", data={"user": user, "pass": PASSWORD})
    assert old.status_code == 401
    [changed] = events(site, "user:password:changed")[-1:]
    assert events(site, "session:ended")[-1]["by"] == changed["by"]


def test_what_is_wrong_with_a_change_is_said_and_changes_nothing(site: Site) -> None:
    user = new_person(site)
    client = log_in(site, user)
    wrong = change(client, "no es esta", OTHER)
    assert (wrong.status_code, heading(wrong.text)) == (403, "Cambiar la contraseña")
    assert "La contraseña actual no es correcta." in wrong.text
    weak = change(client, PASSWORD, "contraseña1")
    assert weak.status_code == 400
    assert 'id="pass-problem">Demasiado fácil de adivinar' in weak.text
    assert OTHER not in wrong.text
    forged = client.post(
        CHANGE, data={"actual": PASSWORD, "pass": OTHER}, headers={"Origin": "https://e.example"}
    )
    assert forged.status_code == 403
    stranger = change(site.client(), PASSWORD, OTHER)
    assert stranger.headers["location"] == "/login?returnTo=%2Fpreferencias%2Fclave"
    log_in(site, user)


def test_guessing_at_the_old_password_is_slowed_like_a_login(site: Site) -> None:
    client = log_in(site, new_person(site))
    answers = [change(client, f"intento {number}", OTHER).status_code for number in range(6)]
    assert answers == [403] * 5 + [429]
    slowed = change(client, PASSWORD, OTHER)
    assert int(slowed.headers["retry-after"]) >= 1
    assert "Demasiados intentos" in slowed.text
