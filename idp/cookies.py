"""Cookies: `__Host-`, HttpOnly, `SameSite=Lax` stated, named by ward and use (RFC 6265bis §4.1.3.2)."""

from dataclasses import dataclass

from starlette.responses import Response

from assurance.wards import WardCode


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie to set.

    :param max_age: seconds; 0 deletes it.
    """

    name: str
    value: str
    max_age: int

    def set_on(self, response: Response) -> None:
        """Let a response carry it."""
        response.set_cookie(
            self.name, self.value, max_age=self.max_age, path="/", secure=True, httponly=True, samesite="lax"
        )


@dataclass(frozen=True, slots=True)
class Cookies:
    """Cookies that go together."""

    each: tuple[Cookie, ...]

    def set_on(self, response: Response) -> None:
        """Let a response carry them."""
        for cookie in self.each:
            cookie.set_on(response)


def name_of(ward: WardCode, use: str) -> str:
    """The name of a cookie; ports of one host share cookies, so it carries program and ward."""
    return f"__Host-dairi-{ward}-{use}"


def dropped(ward: WardCode, *uses: str) -> Cookies:
    """What deletes cookies."""
    return Cookies(tuple(Cookie(name_of(ward, use), "", 0) for use in uses))
