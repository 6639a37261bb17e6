"""Pages: the console at `/`, `/signin`, `/signout`, and their static files."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.auth import BackendHere, Gate, check_csrf, check_origin
from api.options import ApiOptions
from api.problems import Problem
from api.sessions import SESSION_NS, csrf_token

HERE: Final = Path(__file__).parent
LANGUAGES: Final = {"en": "ltr", "ar": "rtl"}
THEMES: Final = ("auto", "light", "dark")

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
_templates: Final = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class RevalidatedFiles(StaticFiles):
    """Static files that a browser asks about each time, so that an upgrade shows at once; fonts never change."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Give a file."""
        response = await super().get_response(path, scope)
        lasting = path.startswith("fonts/")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
        return response


def install(app: FastAPI) -> None:
    """Add the console to the application."""
    app.include_router(router)
    app.mount("/static", RevalidatedFiles(directory=HERE / "static"), name="static")
    app.mount("/catalogues", RevalidatedFiles(directory=HERE / "catalogues"), name="catalogues")


@cache
def catalogue(language: str) -> dict[str, Any]:
    """Read a language's texts; a plural is a table by plural class."""
    return msgspec.json.decode((HERE / "catalogues" / f"{language}.json").read_bytes(), type=dict[str, Any])


def language_of(request: Request) -> str:
    """Choose the language: what was chosen before, else what the browser prefers, else English."""
    chosen = request.cookies.get("rasad_lang", "")
    if chosen in LANGUAGES:
        return chosen
    preferred = (
        part.split(";")[0].strip()[:2].lower() for part in request.headers.get("accept-language", "").split(",")
    )
    return next((language for language in preferred if language in LANGUAGES), "en")


def _render(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    language = language_of(request)
    theme = request.cookies.get("rasad_theme", "auto")
    options: ApiOptions = request.app.state.options
    page = _templates.get_template(name).render(
        lang=language, dir=LANGUAGES[language], theme=theme if theme in THEMES else "auto", t=catalogue(language),
        version=options.version, **values,
    )  # fmt: skip
    return HTMLResponse(page, status)


@router.get("/")
async def index(request: Request) -> Response:
    """The console, for who is signed in."""
    gate: Gate = request.app.state.gate
    caller = gate.caller(request)
    if caller is None or caller.cookie is None:
        return RedirectResponse("/signin", 303)
    return _render(
        request, "index.html", csrf=csrf_token(caller.cookie), who=caller.token.label, role=caller.token.role
    )


@router.get("/signin")
async def sign_in_page(request: Request, once: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Ask for a token, or, with a one-time code, for one key press. Uses nothing up: that is for the POST."""
    return _render(request, "signin.html", once=once, refused=False)


@router.post("/signin")
async def sign_in(request: Request, backend: BackendHere) -> Response:
    """Open a session with a token or a one-time code."""
    check_origin(request)
    gate: Gate = request.app.state.gate
    now_ns = backend.clock_ns()
    form = _form(await request.body())
    code, text = form.get("once", ""), form.get("token", "").strip()
    token = backend.tokens.check(text, now_ns) if text else None
    prefix = backend.sessions.redeem(code, now_ns) if code else token and token.prefix
    if not prefix or backend.tokens.find(prefix, now_ns) is None:
        slowed = gate.refusal(request)
        return _render(request, "signin.html", slowed.status, once="", refused=True)
    answer = RedirectResponse("/", 303)
    options: ApiOptions = request.app.state.options
    answer.set_cookie(
        gate.cookie_name, backend.sessions.open(prefix, now_ns), max_age=SESSION_NS // 10**9, path="/",
        secure=options.https, httponly=True, samesite="strict",
    )  # fmt: skip
    return answer


@router.post("/signout")
async def sign_out(request: Request, backend: BackendHere) -> Response:
    """End the session."""
    gate: Gate = request.app.state.gate
    caller = gate.caller(request)
    if caller is not None and caller.cookie is not None:
        check_csrf(caller.cookie, _form(await request.body()).get("csrf", ""))
        backend.sessions.close(caller.cookie)
    answer = RedirectResponse("/signin", 303)
    options: ApiOptions = request.app.state.options
    answer.delete_cookie(gate.cookie_name, path="/", secure=options.https, httponly=True, samesite="strict")
    return answer


def _form(body: bytes) -> dict[str, str]:
    """Read a small URL-encoded form."""
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=10, strict_parsing=bool(body))
    except ValueError as why:
        raise Problem(
            422, "invalid-form", f"The form cannot be read ({why}); send it URL-encoded, as the page does."
        ) from None
    return {name: values[-1] for name, values in fields.items()}
