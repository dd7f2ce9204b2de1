"""Asking a route with a value in one place, and what of the answers may be compared."""

import difflib
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, Final
from urllib.parse import unquote

from idp.cookies import name_of
from tests.idp.conftest import ASSERTION
from tests.idp.wall.entry import COMES_ALONG, Entry, Fields
from tests.idp.wall.sides import Side, Value
from tests.idp.wall.walk import WALK, own_request

_RANDOM: Final = re.compile(r"[A-Za-z0-9_-]{20,}(\.[A-Za-z0-9_-]+)*")
_AT_MOST: Final = 5
Answer = tuple[int, Mapping[str, str], str]


def put(fields: Fields, cookies: dict[str, str], place: str, value: Value) -> None:
    """Let a value stand in a place, with the cookies that go with it."""
    uses = {"login": "login", "browser": f"i-{fields.get('i')}", "answer": f"a-{fields.get('i')}"}
    if place in uses:
        cookies[uses[place]] = value.text
    else:
        fields[place] = value.text
    cookies.update(value.cookies)


def _nested(fields: Fields) -> Fields:
    document: Fields = {}
    for place, text in fields.items():
        *path, name = place.split(".")
        inner = document
        for part in path:
            inner = inner.setdefault(part, {})
        inner[name] = text
    return document


def _of_another_passkey(response: str, credential: str) -> str:
    return json.dumps(json.loads(response) | {"id": credential, "rawId": credential})


def _sent(path: str, fields: Fields) -> tuple[str, dict[str, str], Fields]:
    """Path, headers, and what is left for the query or the body."""
    left, headers = dict(fields), dict[str, str]()
    for name in re.findall(r"\{(\w+)\}", path):
        path = path.replace(f"{{{name}}}", left.pop(name))
    if "bearer" in left:
        headers["authorization"] = f"Bearer {left.pop('bearer')}"
    if "basic" in left:
        headers["authorization"] = f"Basic {b64encode(left.pop('basic').encode()).decode()}"
    if "assertion" in left:
        left |= {"client_assertion": left.pop("assertion"), "client_assertion_type": ASSERTION}
    if "details" in left:
        details = [{"type": "jp_ward_delegation", "grant": left.pop("details")}]
        left["authorization_details"] = json.dumps(details)
    if "credential" in left:
        left["response"] = _of_another_passkey(left["response"], left.pop("credential"))
    return path, headers, left


def _shown(answer: Any, values: Sequence[str]) -> Answer:
    """An answer without what was shown, and without what is random in every answer."""
    longest_first = sorted(values, key=len, reverse=True)  # one may begin with another
    forms = "|".join(re.escape(form) for text in longest_first for form in (text, text.replace(" ", "+")))
    whole = re.compile(rf"(?<!\w)(?:{forms})(?!\w)")

    def plain(text: str) -> str:
        return _RANDOM.sub("…", whole.sub("…", unquote(text)) if values else unquote(text))

    return (
        answer.status_code,
        {name: plain(text) for name, text in answer.headers.items() if name != "content-length"},
        plain(answer.text),
    )


def send(
    ours: Side,
    cookies: Mapping[str, str],
    route: str,
    fields: Fields,
    values: Sequence[str],
    also: str = "",
    *,
    at_most: int = _AT_MOST,
) -> Sequence[Answer]:
    """Ask, and follow where our own pages lead.

    :param also: the code of a ward whose cookies come along under their own names.
    """
    method, _, path = route.partition(" ")
    browser, ward = ours.browser(), ours.services.ward
    for code in filter(None, (ward.code, also)):
        for use, secret in cookies.items():
            browser.cookies.set(name_of(code, use), secret, domain=ward.rp_id)
    path, headers, left = _sent(path, fields)
    headers["origin"] = ward.origin
    if method == "GET":
        answer = browser.get(path, params=left, headers=headers)
    elif any("." in name for name in left):
        answer = browser.request(method, path, json=_nested(left), headers=headers)
    else:
        answer = browser.request(method, path, data=left, headers=headers)
    answers = [answer]
    while answer.headers.get("location", "").startswith("/") and len(answers) < at_most:
        answer = browser.get(answer.headers["location"])
        answers.append(answer)
    return [_shown(each, values) for each in answers]


def ask(
    ours: Side, route: str, of: Entry, place: str = "", value: Value | None = None, also: str = ""
) -> Sequence[Answer]:
    """Ask with a good request of one's own, in which at most one place is of somebody else."""
    fields, cookies = own_request(ours, of)
    if value is not None:
        put(fields, cookies, place, value)
    return send(ours, cookies, route, fields, () if value is None else (value.text,), also)


_FIELDS: Final = {
    place for entries in WALK.values() for each in entries for place in each.places if "." not in place
} - {"basic", "assertion", "details", "bearer", "number", *COMES_ALONG}
"""But for what is made of a place, and for a paper's number, which is judged by its letters first."""
_MORE_FIELDS: Final = {"token", "response", "grant", "request", "digits", "authorization_details", "sub"}
_LONGEST: Final = 2000
"""What is longer goes into few fields: in all of them, or in a cookie, it is refused for its size."""
_LONG: Final = {"container", "response", "token"}


_STAND_FOR: Final[Mapping[str, str]] = {
    **dict.fromkeys(("accepted", "compared", "letter", "for office", "handed over"), "active"),
    **dict.fromkeys(("staff", "colleague"), "person"),
    **dict.fromkeys(("kept", "brought"), "interaction"),
    **dict.fromkeys(("to register", "read back"), "to authenticate"),
    "invited": "member",
    "child's paper": "paper",
    "staff login": "login",
    "principal": "sub",
    "delegated": "access",
    "delegated refresh": "refresh",
    "delegate's identity": "identity",
}
"""Kinds of one table or one make, of which the other is enough where neither belongs."""


class Everywhere:
    """Asks a route with one value in every place at once, also in places that the route does not know.

    The login is one's own, and lives: that of somebody else has its place in the walk.
    """

    def __init__(self, ours: Side, route: str, of: Entry, also: str) -> None:
        self._ours, self._route, self._of, self._also = ours, route, of, also
        self._path = {place for place in _FIELDS if f"{{{place}}}" in route}
        self._login = ""

    def _names(self, text: str) -> set[str]:
        if any("." in place for place in self._of.places):
            return set(self._of.places) - ({"bearer"} if len(text) > _LONGEST else set())
        if len(text) > _LONGEST:
            return self._path | _LONG
        return self._path | _FIELDS | _MORE_FIELDS | {"bearer"}

    def packs(self, values: Mapping[str, Value]) -> Sequence[Sequence[str]]:
        """Which kinds go into one request.

        One kind each, so that it stands in every place, but where nothing identifies anything: there it is
        only by chance that a place of some name is read, and each gets another value of one shape.
        """
        kinds = [kind for kind in values if kind not in _STAND_FOR]
        if self._of.places:
            return [(kind,) for kind in kinds]
        together: dict[tuple[object, ...], list[str]] = {}
        for kind in kinds:
            together.setdefault(shape_of(values[kind]), []).append(kind)
        return list(together.values())

    def __call__(self, values: Sequence[Value]) -> Sequence[Answer]:
        """Ask; redirects are followed by the walk alone."""
        ours, texts = self._ours, [value.text for value in values]
        if not self._login:
            self._login = ours.cookies(ours.logged_in(self._of.who or "hanako").http)["login"]
        short = [text for text in texts if len(text) <= _LONGEST]
        cookies = {f"{use}-{text}": text for text in short for use in ("i", "a")} | {"login": self._login}
        if short:
            cookies["mail"] = short[0]
        cookies |= {use: secret for value in values for use, secret in value.cookies.items()}
        names = sorted(self._names(max(texts, key=len)))
        fields = {**self._of.fixed, **dict(zip(names, cycle(texts), strict=False))}
        answers = send(ours, cookies, self._route, fields, texts, self._also, at_most=1)
        if any("-login=" in headers.get("set-cookie", "") for _, headers, _ in answers):
            self._login = ""
        return answers


def difference(shown: Sequence[Answer], unknown: Sequence[Answer]) -> Sequence[str]:
    """Where two rows of answers differ, or where somebody would have to look into the log; else nothing."""
    broke = [f"{answer[0]}" for answer in shown if answer[0] == 500]
    one, other = (
        [
            line
            for status, headers, body in answers
            for line in (f"{status}", repr(headers), *body.splitlines())
        ]
        for answers in (shown, unknown)
    )
    return [*broke, *difflib.unified_diff(one, other, "theirs", "nobody's", n=0, lineterm="")]


def shape_of(value: Value) -> tuple[object, ...]:
    """What a made-up value has in common with the true one, of all that could make a difference."""
    text, uses = value.text, tuple(sorted(use[:2] for use in value.cookies))
    for shape, pattern in (("hex", r"[0-9a-f.]+"), ("token", r"[^.]+\.[^.]+\.[^.]+"), ("JSON", r"\{.*")):
        if re.fullmatch(pattern, text, re.DOTALL):
            return shape, len(text) if shape == "hex" else len(text) > _LONGEST, uses
    return "text", len(text) > _LONGEST, uses
