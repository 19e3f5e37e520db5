"""What the inbox costs a browser: bytes to load it, and work for one message that comes in."""

from __future__ import annotations

import re

from playwright.sync_api import CDPSession, Page, expect

from tests.browser.conftest import Desk, NewContext
from tests.support.clients import Clients
from tests.support.world import World, name

BUDGET = 150_000
"""Bytes of the inbox with a conversation open, as they are served: page, styles, scripts, icon."""

LISTED = 50


def inbox(new_context: NewContext, desk: Desk, query: str = "") -> Page:
    context = new_context()
    context.add_cookies(
        [{"name": "token", "value": desk.server.token("ana", "admin"), "url": desk.url}]
    )
    page = context.new_page()
    page.goto(f"{desk.url}/soporte{query}")
    expect(page.locator("#connection")).to_have_text("")
    return page


def test_the_inbox_with_everything_is_light(new_context: NewContext, desk: Desk) -> None:
    page = inbox(new_context, desk, "?con=flor.ba")
    loaded = page.evaluate(
        "['navigation', 'resource'].flatMap(type => performance.getEntriesByType(type))"
        ".map(one => [one.name, one.encodedBodySize])"
    )
    assert {re.match(r"\w+://[^/]+", address)[0] for address, _ in loaded} == {desk.url}  # type: ignore[index]
    assert any("inbox.js" in address for address, _ in loaded)
    assert sum(size for _, size in loaded) < BUDGET, sorted(loaded, key=lambda one: -one[1])


WATCH = """
() => {
  window.touched = new Set();
  const note = (node) => {
    const element = node.nodeType === 1 ? node : node.parentElement;
    const row = element?.closest(".row");
    if (row) window.touched.add(row.dataset.user);
  };
  new MutationObserver((records) => {
    for (const record of records) {
      note(record.target);
      for (const node of [...record.addedNodes, ...record.removedNodes]) note(node);
    }
  }).observe(document.getElementById("rows"),
    { subtree: true, childList: true, characterData: true, attributes: true });
}
"""


def layouts(session: CDPSession) -> int:
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(int(one["value"]) for one in metrics if one["name"] == "LayoutCount")


def test_a_message_costs_the_list_one_row(new_context: NewContext, desk: Desk) -> None:
    with Clients() as clients:
        world = World(desk.server, clients, "websocket")
        writers = [world.user(name("weight")) for _ in range(LISTED)]
        for writer in writers:
            assert writer.say("admin", "hola")["ok"]
        page = inbox(new_context, desk)
        expect(page.locator(".row")).to_have_count(LISTED)
        last = writers[1]
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        page.wait_for_timeout(500)  # whatever opening the page still had to do
        page.evaluate(WATCH)
        before = layouts(session)
        assert last.say("admin", "¿sigue ahí?")["ok"]
        shown = page.locator(".row").first
        expect(shown).to_have_attribute("data-user", last.user)
        expect(shown).to_contain_text("¿sigue ahí?")
        page.wait_for_timeout(1500)  # the numbers beside the filters follow
        assert page.evaluate("[...window.touched]") == [last.user]
        assert layouts(session) - before <= 10
        world.close()
