"""Pages are compressed for those who asked for them themselves, and for nobody else."""

from __future__ import annotations

import pytest

from tests.web.conftest import ADMIN, Site

OWN = {"Sec-Fetch-Site": "same-origin"}


def fetched(site: Site, path: str, **headers: str) -> tuple[str, int, str]:
    """How a page was encoded, how many bytes came, and what they say."""
    client = site.as_(ADMIN, "admin")
    with client.stream("GET", path, headers=headers) as answer:
        raw = b"".join(answer.iter_raw())
    whole = client.get(path, headers=headers)
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(raw)
    return answer.headers.get("content-encoding", ""), len(raw), whole.text


@pytest.mark.parametrize("path", ["/soporte", "/soporte?con=flor.ba", "/no/such/page"])
def test_ones_own_pages_come_in_less_than_half_their_bytes(site: Site, path: str) -> None:
    encoding, packed, text = fetched(site, path, **OWN)
    plain, size, same = fetched(site, path, **OWN, **{"Accept-Encoding": "identity"})
    assert (encoding, plain) == ("gzip", "")
    assert packed < size / 2
    assert "</html>" in text
    assert text.count("<") == same.count("<")


@pytest.mark.parametrize("site_", ["cross-site", "same-site"])
def test_what_another_site_led_to_is_as_long_as_it_is(site: Site, site_: str) -> None:
    """Else its length would tell how much of a guess in the address is in the page."""
    encoding, size, text = fetched(site, "/admin/buscar?q=hola", **{"Sec-Fetch-Site": site_})
    assert encoding == ""
    assert size == len(text.encode())
