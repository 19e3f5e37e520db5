"""E-mail: what is written in it, people's addresses, the links that lead from mails to here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import localtime
from typing import ClassVar
from urllib.parse import quote

from sanic import HTTPResponse, Request
from sanic.response import redirect

from registro.config import Settings
from registro.errors import Refused
from registro.events.decide import Person, is_text
from registro.services import Services
from registro.services.addresses import Standing
from registro.services.mail import Answer, Confirmation, Digest
from registro.web import forms, i18n, views
from registro.web.access import Access, declare
from registro.web.auth import Visitor, form_for, public
from registro.web.i18n import Language
from registro.web.typing import App
from registro.web.views import View

PREFERENCES = "/preferencias"


class _Policy(EmailPolicy):
    """Python's, but for fields of URLs and ids: it makes encoded words of what is longer than a
    line, which in those nobody decodes (RFC 2047, 5). They stay in one line, of up to 998."""

    _WHOLE = frozenset({"list-unsubscribe", "message-id", "references", "in-reply-to"})

    def fold(self, name: str, value: str) -> str:
        if name.lower() in self._WHOLE:
            return self._whole(name, value)
        return str(super().fold(name, value))

    def fold_binary(self, name: str, value: str) -> bytes:
        if name.lower() in self._WHOLE:
            return self._whole(name, value).encode("ascii")
        return bytes(super().fold_binary(name, value))

    def _whole(self, name: str, value: str) -> str:
        return f"{name}: {value}{self.linesep}"


_POLICY = _Policy(linesep="\r\n", cte_type="7bit")
"""What every mail server takes: lines end as SMTP has them, and there are seven bits."""


class Writer:
    """Puts mails into words: plain text, in which nothing has to be escaped and nothing is loaded
    from elsewhere."""

    def __init__(self, sender: Address, url: str) -> None:
        self._sender = sender
        self._url = url

    def digest(self, mail: Digest) -> EmailMessage:
        language = i18n.language(mail.language)
        _ = language.say
        parts = [_("Hello {name},", name=mail.name)]
        if mail.more:
            count = language.count(
                "({number} earlier answer is in the chat.)",
                "({number} earlier answers are in the chat.)",
                mail.more,
            )
            parts.append(count)
        parts += [f"{answer.name or _('Support')}:\n{answer.text}" for answer in mail.answers]
        parts.append(_("Answer in the chat: {url}", url=f"{self._url}/soporte"))
        parts.append(self._foot(language, mail.unsubscribe))
        message = self._message(_subject(language, mail.answers, mail.more), parts, language)
        root = f"<{mail.thread}@{self._sender.domain}>"
        message["References"] = root
        message["In-Reply-To"] = root
        return self._addressed(message, mail.id, mail.to, mail.unsubscribe)

    def confirmation(self, mail: Confirmation) -> EmailMessage:
        """Nothing in it is anybody's own words: it may go to a stranger."""
        language = i18n.language(mail.language)
        _ = language.say
        url = f"{self._url}/correo/confirmar?enlace={quote(mail.link, safe='')}"
        parts = [
            _("Somebody, probably you, asked at {url} to get answers of support by e-mail at this "
              "address.", url=self._url),
            _("To confirm that, follow this link within 24 hours: {url}", url=url),
            _("If it was not you, you need not do anything: nothing more will come."),
        ]  # fmt: skip
        message = self._message(_("Confirm your e-mail address"), parts, language)
        return self._addressed(message, mail.id, mail.to, mail.unsubscribe)

    def _stop(self, link: str) -> str:
        return f"{self._url}/correo/baja?enlace={quote(link, safe='')}"

    def _foot(self, language: Language, link: str) -> str:
        _ = language.say
        sent = _("This mail was sent by itself; nobody reads what is answered to it.")
        stop = _("No more mails: {url}", url=self._stop(link))
        return f"--\n{sent}\n{stop}"

    def _message(self, subject: str, parts: Sequence[str], language: Language) -> EmailMessage:
        message = EmailMessage(policy=_POLICY)
        message["Subject"] = " ".join(subject.split())
        message.set_content("\n\n".join(parts) + "\n")
        message["Content-Language"] = language.code
        return message

    def _addressed(self, message: EmailMessage, id: str, to: str, link: str) -> EmailMessage:
        message["From"] = self._sender
        message["To"] = Address(addr_spec=to)
        message["Date"] = localtime()
        message["Message-ID"] = f"<{id}@{self._sender.domain}>"
        # RFC 3834, and what Exchange heeds: no answering machine answers.
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        # RFC 2369 and RFC 8058: mail programs show a button.
        message["List-Unsubscribe"] = f"<{self._stop(link)}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        return message


def _subject(language: Language, answers: Sequence[Answer], more: int) -> str:
    names = {answer.name for answer in answers}
    if len(names) == 1 and not more and (name := names.pop()):
        return language.say("{name} answered you", name=name[:60])
    return language.count(
        "Support answered you", "Support answered you: {number} messages", len(answers) + more
    )


# On the page of preferences


@dataclass(frozen=True, slots=True)
class Section:
    """The part about e-mail. `done` is what was just done, `problem` the `codigo` of why not."""

    standing: Standing
    done: str = ""
    problem: str = ""


async def section(request: Request, who: Visitor) -> Section | None:
    """None for whom there is none: admins, where no mail is sent, whom Registro does not know."""
    services: Services = request.app.ctx.services
    if not services.mail.on or who.person.is_admin or not who.known:
        return None
    args = request.args
    return Section(
        await services.addresses.of(who.person),
        args.get("correo", ""),
        args.get("problema", ""),
    )


@form_for("user", back=PREFERENCES)
async def ask(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /preferencias/correo` (`correo`)."""
    services: Services = request.app.ctx.services
    fields = await forms.read(request, "correo")
    try:
        if not services.mail.on:
            raise Refused("no_autorizado")
        await ask_for(request, who.person, (fields["correo"] or "").strip())
    except Refused as refused:
        return redirect(f"{PREFERENCES}?problema={refused.code}#mail", status=303)
    return redirect(f"{PREFERENCES}?correo=enviado#mail", status=303)


async def ask_for(request: Request, person: Person, address: str) -> None:
    """Has a link sent, in the reader's language. Raises Refused, as `Addresses.ask` does."""
    services: Services = request.app.ctx.services
    await services.addresses.ask(person, address, i18n.of(request).code)


@form_for("user", back=PREFERENCES)
async def remove(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /preferencias/correo/quitar`."""
    services: Services = request.app.ctx.services
    if who.known:
        await services.addresses.remove(who.person)
    return redirect(f"{PREFERENCES}?correo=quitado#mail", status=303)


# Where links in mails lead


@dataclass(frozen=True, slots=True)
class ConfirmView(View):
    """`address` is the one that a link confirms, None for a link that is good for nothing."""

    template: ClassVar[str] = "mail_confirm.html"
    address: str | None
    link: str = ""
    done: bool = False


@dataclass(frozen=True, slots=True)
class StopView(View):
    """`link` is empty for one that is none of ours."""

    template: ClassVar[str] = "mail_stop.html"
    link: str
    done: bool = False


@public
async def confirm_page(request: Request, who: Visitor | None) -> HTTPResponse:
    """`GET /correo/confirmar?enlace=…`: asks, and changes nothing: what looks at the links in mails
    does not confirm them."""
    services: Services = request.app.ctx.services
    link = request.args.get("enlace", "")
    found = await services.addresses.meant_by(link) if is_text(link) else None
    if found is None:
        return await views.respond(request, ConfirmView(None), 404)
    return await views.respond(request, ConfirmView(found[1].address, link))


@form_for()
async def confirm(request: Request, who: Visitor | None) -> HTTPResponse:
    """`POST /correo/confirmado` (`enlace`)."""
    services: Services = request.app.ctx.services
    link = (await forms.read(request, "enlace"))["enlace"] or ""
    try:
        address = await services.addresses.confirm(link if is_text(link) else "")
    except Refused:
        return await views.respond(request, ConfirmView(None), 404)
    return await views.respond(request, ConfirmView(address, done=True))


@declare(Access("page"))
async def stop(request: Request) -> HTTPResponse:
    """`GET /correo/baja?enlace=…` asks; `POST` does it: our own form, and with one click the
    reader's mail program (RFC 8058)."""
    services: Services = request.app.ctx.services
    link = request.args.get("enlace", "")
    person = await services.addresses.unsubscriber(link) if is_text(link) else None
    if person is None:
        return await views.respond(request, StopView(""), 404)
    if request.method != "POST":
        return await views.respond(request, StopView(link))
    await services.addresses.remove(person, "unsubscribed")
    return await views.respond(request, StopView(link, done=True))


def add_to(app: App) -> None:
    settings: Settings = app.ctx.settings
    services: Services = app.ctx.services
    if settings.mail_from is not None:
        services.mail.composer = Writer(settings.mail_from, settings.public_url)
    app.add_route(confirm_page, "/correo/confirmar", name="confirm_page")
    app.add_route(stop, "/correo/baja", methods=["GET", "POST"], name="stop_mail")
    for handler, path in (
        (confirm, "/correo/confirmado"),
        (ask, f"{PREFERENCES}/correo"),
        (remove, f"{PREFERENCES}/correo/quitar"),
    ):
        name = f"{handler.__name__}_mail"
        app.add_route(handler, path, methods=["POST"], name=name, stream=True)
