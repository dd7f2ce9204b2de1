"""Asking an OCSP responder over HTTP (RFC 6960 appendix A)."""

import secrets
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from card.revocation.listed import RevocationList
from card.revocation.ocsp import ask_about, judge
from card.revocation.source import RevocationStatus, StatusUnavailable

_PATIENCE_S: Final = 3.0
_PAUSE_S: Final = 10.0
_MOST_BYTES: Final = 64 * 1024
_NONCE_BYTES: Final = 32


class OcspResponder:
    """One responder, at the address that the ward configured.

    It is asked every time: a remembered answer would miss what was revoked since. No redirect is followed and
    no proxy of the environment is used: nobody else answers for it.

    A responder that let somebody wait in vain is not asked for some seconds; else everyone who logs in would
    hold a thread for as long, and then nobody could do anything.

    :param address: of the responder, `http` or `https`; an answer is signed either way.
    :param without_nonce: how old an answer without our nonce may be (RFC 5019); None for a responder that
        repeats the nonce.
    """

    def __init__(self, address: str, *, without_nonce: timedelta | None = None) -> None:
        self._address, self._without_nonce = httpx2.URL(address), without_nonce
        # Connections are not kept: one that the other side has closed meanwhile would be taken for an outage.
        unkept = httpx2.Limits(max_keepalive_connections=0)
        self._http = httpx2.Client(trust_env=False, timeout=_PATIENCE_S, limits=unkept)
        self._silent_until = 0.0

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> RevocationStatus:
        """Ask about one certificate.

        :raises StatusUnavailable: as `judge` does, and for every answer but a whole 200 in time.
        """
        asked = ask_about(certificate, issuer, secrets.token_bytes(_NONCE_BYTES))
        answer = self._post(asked.public_bytes(Encoding.DER))
        return judge(answer, asked, issuer, now, without_nonce=self._without_nonce)

    def lists(self, roots: Sequence[x509.Certificate], now: datetime) -> Sequence[RevocationList]:
        """None: a responder only answers."""
        del roots, now
        return ()

    def _post(self, question: bytes) -> bytes:
        began = time.monotonic()
        if began < self._silent_until:
            raise StatusUnavailable
        try:
            return self._answer(question, began + _PATIENCE_S)
        except httpx2.TimeoutException as error:
            self._silent_until = time.monotonic() + _PAUSE_S
            raise StatusUnavailable from error
        except httpx2.HTTPError as error:
            raise StatusUnavailable from error

    def _answer(self, question: bytes, over: float) -> bytes:
        headers = {
            "Content-Type": "application/ocsp-request",
            "Accept": "application/ocsp-response",
            "Accept-Encoding": "identity",  # what is counted is what is read
        }
        request = self._http.build_request("POST", self._address, content=question, headers=headers)
        response, answer = self._http.send(request, stream=True, follow_redirects=False), bytearray()
        try:
            if response.status_code != 200:
                raise StatusUnavailable
            for chunk in response.iter_raw():
                answer += chunk
                if time.monotonic() > over:
                    raise httpx2.ReadTimeout("an answer that drips", request=request)
                if len(answer) > _MOST_BYTES:
                    raise StatusUnavailable
        finally:
            response.close()
        return bytes(answer)
