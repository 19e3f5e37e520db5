"""The pages."""

from __future__ import annotations

from sanic import HTTPResponse, Request
from sanic.response import redirect
from sanic_ext import render

from registro.web.auth import Visitor, page_for, visitor
from registro.web.typing import App


async def home(request: Request) -> HTTPResponse:
    return redirect("/soporte" if await visitor(request) else "/login")


async def login(request: Request) -> HTTPResponse:
    return await render("login.html", context={"user": "", "failed": False}, app=request.app)


@page_for("user", "admin")
async def support(request: Request, who: Visitor) -> HTTPResponse:
    return await render("support.html", context={"me": who.person}, app=request.app)


def add_to(app: App) -> None:
    app.add_route(home, "/", name="home")
    app.add_route(login, "/login", name="login")
    app.add_route(support, "/soporte", name="support")
