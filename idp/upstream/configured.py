"""The file of upstreams (`DAIRI_UPSTREAMS_FILE`, TOML); without it nothing is offered and nobody asked.

```toml
[131130.app]                                             # ward, and which upstream
issuer = "https://auth-and-sign.go.jp/api/realms/main"   # sb-auth-and-sign.go.jp to try it out
client_id = "RP00000001"                                 # by application to the Digital Agency
key_file = "/etc/dairi/app-131130.pem"                   # P-256 or RSA; they get the public half

[131130.gbizid]
issuer = "https://gbiz-id.go.jp/oauth/"
client_id = "…"
secret_file = "/etc/dairi/gbizid-131130.secret"
```

What one agrees on there names the callback too: `{issuer of the ward}/app/back`, and `…/gbizid/back`.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from assurance.wards import WardCode, parse_ward
from card.jose import SoftwareSigner
from idp.settings import check_issuer
from idp.upstream.provider import ClientSecretBasic, PrivateKeyJwt, Registration, UpstreamProvider

_SMALLEST_RSA_BITS: Final = 2048


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AppEntry(_Strict):
    """デジタル認証アプリ, for one ward.

    :param acr_values: the card with its PIN, its revocation looked at in the CRL.
    :param acr: the words of them that an ID token must repeat.
    """

    issuer: str
    client_id: str = Field(pattern=r"^[0-9A-Za-z_-]{1,255}$")
    key_file: Path
    acr_values: str = "aal3 crl"
    acr: frozenset[str] = Field(default=frozenset({"aal3", "crl"}), min_length=1)

    @field_validator("issuer")
    @classmethod
    def _is_one(cls, issuer: str) -> str:
        check_issuer(issuer)
        return issuer

    def provider(self) -> UpstreamProvider:
        """What talks to it.

        :raises ValueError: when the file holds no key that signs ES256 or RS256.
        """
        proof = PrivateKeyJwt(_signer(self.key_file))
        agreed = Registration(self.issuer, self.client_id, proof, "ES256", self.acr_values, self.acr)
        return UpstreamProvider("app", agreed)


class GbizidEntry(_Strict):
    """GビズID, for one ward. Its ID token does not say how somebody was authenticated: it is no login."""

    issuer: str
    client_id: str = Field(pattern=r"^[0-9A-Za-z_-]{1,255}$")
    secret_file: Path

    @field_validator("issuer")
    @classmethod
    def _is_one(cls, issuer: str) -> str:
        check_issuer(issuer.removesuffix("/"))
        return issuer

    def provider(self) -> UpstreamProvider:
        """What talks to it."""
        proof = ClientSecretBasic(self.secret_file.read_text("utf-8").strip())
        agreed = Registration(self.issuer, self.client_id, proof, "RS256", "", frozenset())
        return UpstreamProvider("gbizid", agreed)


def _signer(file: Path) -> SoftwareSigner:
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file} holds no private key without a password") from error
    match key:
        case ec.EllipticCurvePrivateKey(curve=ec.SECP256R1()):
            return SoftwareSigner("ES256", key)
        case rsa.RSAPrivateKey(key_size=size) if size >= _SMALLEST_RSA_BITS:
            return SoftwareSigner("RS256", key)
        case _:
            raise ValueError(f"{file} holds a key for neither ES256 nor RS256")


class WardEntry(_Strict):
    """The upstreams of one ward."""

    app: AppEntry | None = None
    gbizid: GbizidEntry | None = None


def read_upstreams(text: str, *, sandbox: bool = False) -> Mapping[WardCode, WardEntry]:
    """Read the file.

    :param sandbox: an upstream may do without https.
    :raises ValueError: naming what is wrong.
    """
    try:
        document = tomllib.loads(text)
        found = {parse_ward(code): WardEntry.model_validate(entry) for code, entry in document.items()}
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in wrong["loc"])
        raise ValueError(f"DAIRI_UPSTREAMS_FILE: {place}: {wrong['msg']}") from error
    except ValueError as error:
        raise ValueError(f"DAIRI_UPSTREAMS_FILE: {error}") from error
    for entry in found.values():
        issuers = [one.issuer for one in (entry.app, entry.gbizid) if one is not None]
        if not sandbox and not all(issuer.startswith("https://") for issuer in issuers):
            raise ValueError("an upstream without https; only `dairi sandbox` may have one")
    return found
