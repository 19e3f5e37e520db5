"""Languages: which one a reader wants, and the catalogues.

Texts in the code, the templates and the scripts are English and stand for themselves; a catalogue
in `locale/` gives them in another language. Catalogues are read from their `.po` files at start
(some milliseconds), so there is nothing to compile and nothing that can be out of date.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from sanic import Request

LOCALE = Path(__file__).parent / "locale"
COOKIE = "lang"
DEFAULT = "es"
LANGUAGES: Mapping[str, str] = {"es": "Español", "en": "English"}
"""What there is, by the names that their speakers give them."""


def N_(text: str) -> str:  # noqa: N802 - the customary name
    """Marks a text for the catalogues that is translated later."""
    return text


def NC_(context: str, text: str) -> str:  # noqa: N802 - the customary name
    """The same for a text that other languages say differently in this context."""
    return text


@dataclass(frozen=True, slots=True)
class Language:
    """One language. `scripts` are the texts of the browser's scripts that differ from English: a
    string, or the plural forms. Placeholders stand in braces, in all three places."""

    code: str
    gettext: Callable[[str], str]
    ngettext: Callable[[str, str, int], str]
    pgettext: Callable[[str, str], str]
    scripts: Mapping[str, str | list[str]]

    def say(self, text: str, **values: object) -> str:
        return self.gettext(text).format(**values)

    def count(self, one: str, many: str, number: int, **values: object) -> str:
        return self.ngettext(one, many, number).format(number=number, **values)


@cache
def language(code: str) -> Language:
    path = LOCALE / code / "LC_MESSAGES" / "messages.po"
    catalogue = read(path) if path.is_file() else Catalog(code)
    translations = _compile(catalogue)
    gets = translations.gettext, translations.ngettext, translations.pgettext
    return Language(code, *gets, _script_texts(catalogue))


def load() -> None:
    """Reads all catalogues, so that a wrong one is found at start."""
    for code in LANGUAGES:
        language(code)


def read(path: Path) -> Catalog:
    """A catalogue. Raises PoFileError for a file that is none."""
    with path.open("rb") as file:
        return read_po(file, abort_invalid=True)


def _compile(catalogue: Catalog) -> gettext.NullTranslations:
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _script_texts(catalogue: Catalog) -> dict[str, str | list[str]]:
    texts: dict[str, str | list[str]] = {}
    for message in catalogue:
        if any(file.endswith(".js") for file, _ in message.locations):
            if isinstance(message.id, str):
                texts[message.id] = cast(str, message.string)
            else:
                texts[message.id[0]] = [str(form) for form in message.string or ()]
    return texts


def of(request: Request) -> Language:
    """The reader's language: the one that the request was given (`request.ctx.language`), the
    cookie's, or Spanish."""
    code = getattr(request.ctx, "language", None) or request.cookies.get(COOKIE, DEFAULT)
    return language(code if code in LANGUAGES else DEFAULT)
