"""Forms that people post: parsed once, capped, without repeated names, and only from our own pages."""

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse

from card.faults import Fault

_MOST_BYTES: Final = 64 * 1024
_MOST_FIELDS: Final = 60


class Posted:
    """A form's values."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    def one(self, name: str) -> str:
        """One value, or an empty text.

        :raises Fault: `request.repeated`.
        """
        found = self._values.get(name, ())
        if len(found) > 1:
            raise Fault("request.repeated")
        return found[0] if found else ""

    def many(self, name: str) -> tuple[str, ...]:
        """Every value of a group of boxes."""
        return tuple(self._values.get(name, ()))


async def read_body(request: Request) -> bytes:
    """Read the body of a request, up to what a form may have.

    :raises Fault: `request.too_large`, as soon as it is.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise Fault("request.too_large")
    return bytes(body)


def bearer(request: Request) -> str:
    """The token of a request (RFC 6750 §2.1); empty without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def read_posted(request: Request) -> Posted:
    """Read the form of a request.

    :raises Fault: `request.too_large`, also without a stated length.
    """
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > _MOST_BYTES:
        raise Fault("request.too_large")
    values: dict[str, list[str]] = {}
    async with request.form(max_fields=_MOST_FIELDS, max_files=0) as form:
        for name, value in form.multi_items():
            if isinstance(value, str):
                values.setdefault(name, []).append(value.replace("\x00", ""))
    return Posted(values)


def refuse_foreign_pages(request: Request, origin: str) -> None:
    """A POST that rests on a cookie comes from our own pages (Fetch Metadata §2; RFC 6454 §7).

    A form on another port of one host is *same-site* and brings the `Lax` cookie along.

    :raises Fault: `request.foreign_page`.
    """
    if request.method in {"GET", "HEAD"}:
        return
    site = request.headers.get("sec-fetch-site")
    if site != "same-origin" and not (site is None and request.headers.get("origin") == origin):
        raise Fault("request.foreign_page")


def see_other(path: str) -> RedirectResponse:
    """Answer a form with another page (RFC 9110 §15.4.4)."""
    return RedirectResponse(path, status_code=303)
