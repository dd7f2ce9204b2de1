"""Rendering: one place for templates, languages and security headers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from card.dates import date_text, time_text
from card.faults import Fault
from card.pages.catalogue import LANGUAGES, LOCALES, Catalogue, load_catalogue

LANGUAGE_COOKIE: Final = "__Host-dairi-lang"
_ONE_YEAR_S: Final = 365 * 24 * 3600
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_RETRY_LATER: Final = {"Retry-After": "5"}


@dataclass(frozen=True, slots=True)
class Source:
    """A package whose `templates` are reached as `<prefix>/…`."""

    prefix: str
    package: str


def security_headers(*, leads_out: bool) -> dict[str, str]:
    """What every page carries.

    :param leads_out: a form of this page can end at another origin. `form-action` binds the whole redirect
        chain that a form starts, so it is left out there: people were stranded after their answer was
        consumed.
    """
    policy = _POLICY if leads_out else f"{_POLICY}; form-action 'self'"
    return {"Content-Security-Policy": policy, **_HEADERS}


class Pages:
    """Renders pages and looks texts up."""

    def __init__(self, sources: Sequence[Source], catalogues: Sequence[str]) -> None:
        self.catalogue: Catalogue = load_catalogue(catalogues)
        loaders = {source.prefix: PackageLoader(source.package, "templates") for source in sources}
        self._environment = Environment(
            loader=PrefixLoader({"kit": PackageLoader("card.pages", "templates"), **loaders}),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    @staticmethod
    def static() -> StaticFiles:
        """The style sheet and the scripts, to be mounted at `/static`."""
        return StaticFiles(directory=Path(__file__).parent / "static")

    def locale(self, request: Request) -> str:
        """The language: asked for in the address, chosen before, or the browser's (RFC 9110 §12.5.4).

        Of the browser's, the first subtag decides: whoever reads any Chinese reads ours sooner than Japanese.
        """
        asked = [request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)]
        ours = {locale.split("-")[0]: locale for locale in reversed(list(self.catalogue.texts))}
        accepted = [
            ours.get(part.split(";")[0].strip().split("-")[0].lower())
            for part in request.headers.get("accept-language", "").split(",")
        ]
        spoken = self.catalogue.texts
        return next((locale for locale in [*asked, *accepted] if locale and locale in spoken), LOCALES[0])

    def text(self, locale: str, key: str, **values: object) -> str:
        """A text of the catalogues; a day among its values is written as the language writes days."""
        told = {
            name: date_text(value, locale) if type(value) is date else value for name, value in values.items()
        }
        return self.catalogue.text(locale, key, **told)

    def render(
        self,
        request: Request,
        template: str,
        context: Mapping[str, Any] | None = None,
        *,
        status: int = 200,
        leads_out: bool = False,
    ) -> HTMLResponse:
        """A page in the person's language; one about something that is down says when to come back."""
        locale = self.locale(request)

        def t(key: str, **values: object) -> str:
            return self.text(locale, key, **values)

        body = self._environment.get_template(template).render(
            {
                "t": t,
                "locale": locale,
                "date": lambda day: date_text(day, locale),
                "moment": lambda at: time_text(at, locale),
                "languages": self._languages(request, locale),
                "path": request.url.path,
                "site": getattr(request.state, "site", None),
                **(context or {}),
            }
        )
        response = HTMLResponse(
            body,
            status_code=status,
            headers={
                "Content-Language": locale,
                **security_headers(leads_out=leads_out),
                **(_RETRY_LATER if status == 503 else {}),
            },
        )
        if request.query_params.get("lang") in self.catalogue.texts:
            response.set_cookie(
                LANGUAGE_COOKIE, locale, max_age=_ONE_YEAR_S, secure=True, samesite="lax", httponly=True
            )
        return response

    def _languages(self, request: Request, locale: str) -> list[tuple[str, str, str, bool]]:
        """Links to the same page in the other languages; an answer to a POST has no address of its own."""
        if request.method != "GET":
            return []
        url = URL(str(request.url)).remove_query_params("lang")
        return [
            (one, LANGUAGES[one], f"?{url.include_query_params(lang=one).query}", one == locale)
            for one in self.catalogue.texts
        ]

    def fault_texts(self, locale: str, fault: Fault) -> tuple[str, str]:
        """What was wrong, and what to do next."""
        key = f"fault.{fault.code}"
        return self.text(locale, key, **fault.values), self.text(locale, f"{key}.next", **fault.values)

    def fault(self, request: Request, fault: Fault, *, status: int, back: str | None = None) -> HTMLResponse:
        """A page for a request that ended."""
        sentence, next_step = self.fault_texts(self.locale(request), fault)
        context = {"sentence": sentence, "next_step": next_step, "back": back}
        return self.render(request, "kit/fault.html", context, status=status, leads_out=True)
