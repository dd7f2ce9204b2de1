"""Asking the provider: what comes back in time, in size and in shape is an answer; nothing else is."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx2

from card.jose import strict_json

_MOST_BYTES: Final = 256 * 1024


class DecisionUnavailable(Exception):  # noqa: N818 - a state of the world
    """The provider gave no answer that anybody may act on; nothing is shown, and nothing filed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider said.

    :param document: its JSON object; empty for a body that is none.
    """

    status: int
    document: Mapping[str, object]

    def ok(self) -> Mapping[str, object]:
        """The object of a 200.

        :raises DecisionUnavailable: for every other status, and for a 200 that says nothing.
        """
        if self.status != 200 or not self.document:
            raise DecisionUnavailable(f"the provider answered {self.status}")
        return self.document

    def member(self, name: str) -> str:
        """A member that must be there.

        :raises DecisionUnavailable: when it is not, or is no text.
        """
        value = self.ok().get(name)
        if not isinstance(value, str) or not value:
            raise DecisionUnavailable(f"{name} is missing")
        return value


def _bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Provider:
    """One ward's provider, over HTTP. No redirect is followed: nobody else answers for it.

    :param patience_s: seconds that connecting may take, each wait for more, and a body as a whole: a time-out
        of each read alone waits for ever on one that drips.
    """

    def __init__(self, issuer: str, http: httpx2.Client, patience_s: float) -> None:
        self.issuer, self._http, self._patience_s = issuer, http, patience_s
        self._metadata: Answer | None = None

    def get(self, url: str, bearer: str = "") -> Answer:
        """Fetch a document, in the name of a token's bearer if one is given (RFC 6750 §2.1)."""
        return self._ask("GET", url, headers=_bearer(bearer) if bearer else None)

    def post_form(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Post a form."""
        return self._ask("POST", url, form=form, headers=headers)

    def post_json(self, url: str, document: Mapping[str, object], bearer: str) -> Answer:
        """Post a question in the name of a token's bearer (RFC 6750 §2.1)."""
        return self._ask("POST", url, document=document, headers=_bearer(bearer))

    def metadata(self) -> Answer:
        """The metadata, which is read once (OIDC Discovery §4)."""
        if self._metadata is None:
            found = self.get(f"{self.issuer.removesuffix('/')}/.well-known/openid-configuration")
            if found.member("issuer") != self.issuer:  # OIDC Discovery §4.3
                raise DecisionUnavailable("the metadata names another issuer")
            self._metadata = found
        return self._metadata

    def endpoint(self, name: str) -> str:
        """An address of the metadata.

        :raises DecisionUnavailable: when the provider does not name it.
        """
        return self.metadata().member(name)

    def _ask(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        document: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        over, body = time.monotonic() + self._patience_s, bytearray()
        try:
            request = self._http.build_request(
                method,
                url,
                data=None if form is None else dict(form),
                json=document,
                headers={"Accept-Encoding": "identity", **(headers or {})},  # what is counted is what is read
                timeout=self._patience_s,
            )
            response = self._http.send(request, stream=True, follow_redirects=False)
            try:
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > _MOST_BYTES or time.monotonic() > over:
                        raise DecisionUnavailable("the answer is too long, or takes too long")
            finally:
                response.close()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise DecisionUnavailable(type(error).__name__) from error
        try:
            return Answer(response.status_code, strict_json(bytes(body)))
        except ValueError:
            return Answer(response.status_code, {})
