"""The catalogues hold every text, and no other."""

from __future__ import annotations

import re
import string
from pathlib import Path

from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir

from registro.web import i18n

WEB = Path(i18n.__file__).parent
METHODS = [
    ("**.py", "python"),
    ("**/templates/**.html", "jinja2"),
    ("**/static/*.js", "javascript"),
]
KEYWORDS = {
    "_": None,
    "N_": None,
    "NC_": ((1, "c"), 2),
    "ngettext": (1, 2),
    "say": None,
    "count": (1, 2),
}

Text = str | tuple[str, ...]


def in_use() -> set[Text]:
    found = extract_from_dir(WEB, METHODS, {}, KEYWORDS)  # type: ignore[arg-type]
    return {text if isinstance(text, str) else tuple(text) for _, _, text, _, _ in found}


def messages() -> list[Message]:
    path = i18n.LOCALE / "es" / "LC_MESSAGES" / "messages.po"
    return [message for message in i18n.read(path) if message.id]


def test_every_text_is_in_the_catalogue_and_no_other_is() -> None:
    """`scripts/texts` brings it up to date."""
    known = {m.id if isinstance(m.id, str) else tuple(m.id) for m in messages()}
    assert known == in_use()


def test_every_text_is_translated_with_the_same_values() -> None:
    for message in messages():
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        texts = [message.string] if isinstance(message.string, str) else list(message.string)
        assert all(texts), message.id
        assert {_fields(text) for text in texts} == {_fields(text) for text in ids}


def _fields(text: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)


def test_texts_of_scripts_reach_the_scripts() -> None:
    assert i18n.language("es").scripts["Sending…"] == "Enviando…"
    assert i18n.language("en").scripts == {}


def test_scripts_say_nothing_within_template_literals() -> None:
    """Babel finds no text there, and the script would show the English one."""
    within = re.compile(r"\$\{[^}`]*\b(?:say|count)\(")
    scripts = sorted((WEB / "static").glob("*.js"))
    assert scripts
    assert [path.name for path in scripts if within.search(path.read_text("utf-8"))] == []


def test_what_the_inbox_says_is_translated() -> None:
    texts = i18n.language("es").scripts
    assert [texts[text] for text in ("You:", "Desk:", "unread")] == [
        "Usted:",
        "Soporte:",
        "sin leer",
    ]
