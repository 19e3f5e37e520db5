"""The reports in a browser: for everybody, in both themes, on a phone, without scripts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, WIDE, Desk, NewContext, violations

YEAR = "desde=2026-01-01&hasta=2026-12-31"


def admin(new_context: NewContext, desk: Desk, path: str, **options: object) -> Page:
    context = new_context(**options)
    context.add_cookies(
        [{"name": "token", "value": desk.server.token("ana", "admin"), "url": desk.url}]
    )
    page = context.new_page()
    page.goto(f"{desk.url}{path}")
    while page.locator("#behind").count():  # what is counted follows the log
        page.wait_for_timeout(300)
        page.reload()
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE])
def test_the_reports_are_for_everybody(
    new_context: NewContext, desk: Desk, scheme: str, viewport: dict[str, int]
) -> None:
    path = f"/admin/informes?{YEAR}"
    page = admin(new_context, desk, path, viewport=viewport, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    for what in ("esperas", "usuarios", "esperando", "cerradas"):
        page.goto(f"{desk.url}/admin/informes/filas?que={what}&{YEAR}")
        assert violations(page) == [], what
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, what


def test_from_a_bar_and_a_field_to_their_messages_and_back_without_scripts(
    new_context: NewContext, desk: Desk
) -> None:
    path = "/admin/informes?desde=2026-10-26&hasta=2026-11-22"
    page = admin(new_context, desk, path, java_script_enabled=False)
    for mark in ("svg a.day:has(rect.users)", "svg a:has(rect.heat-5)"):
        link = page.locator(mark).first
        number = [int(n) for n in link.get_attribute("aria-label").split() if n.isdigit()]  # type: ignore[union-attr]
        link.locator("rect").last.click(force=True)
        page.wait_for_url("**/admin/informes/filas?*")
        total = int(page.locator("#total").get_attribute("data-total") or 0)
        assert total > 0
        assert total in (number[-1], number[-1] + number[-2] if len(number) > 1 else 0)
        page.go_back()
    page.fill("#since", "2026-11-09")
    page.fill("#until", "2026-11-15")
    page.click(".period button")
    expect(page.locator("#days tbody tr")).to_have_count(7)
    expect(page.locator(".plot").first.locator("a.day")).to_have_count(7)
