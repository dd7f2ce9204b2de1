"""Settings: every one of them, from the environment (`DAIRI_…`)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, HttpUrl, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from assurance.wards import parse_ward

_AUTHORITY: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?\Z")
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*\Z")
_DEFAULT_PORT: Final = {"https": ":443", "http": ":80"}


def check_issuer(issuer: str) -> None:
    """Refuse an issuer that is not written as browsers and clients will compare it, octet by octet.

    :raises ValueError: saying what is wrong with it (OIDC Discovery §3, RFC 8414 §2, RFC 6454 §6.2).
    """
    parts = urlsplit(issuer)
    wrong = {
        "is no http or https address": parts.scheme not in _DEFAULT_PORT or not parts.netloc,
        "has a query or a fragment": "?" in issuer or "#" in issuer,
        "names a user": "@" in parts.netloc,
        "ends with a slash": issuer.endswith("/"),
        "has a host in capitals": parts.netloc != parts.netloc.lower(),
        "states the port that goes without saying": parts.netloc.endswith(
            _DEFAULT_PORT.get(parts.scheme, " ")
        ),
        "has a host or a path of unusual characters": not (
            _AUTHORITY.match(parts.netloc) and _PATH.match(parts.path)
        ),
    }
    for what, is_wrong in wrong.items():
        if is_wrong:
            raise ValueError(f"the issuer {what}")


def describe(error: ValidationError) -> str:
    """What is wrong with the settings, in one line and without their values."""
    told = [
        f"DAIRI_{str(found['loc'][0]).upper()} {found['msg'].removeprefix('Value error, ')}"
        if found["type"] == "value_error"
        else f"DAIRI_{str(found['loc'][0]).upper()} is {'missing' if found['type'] == 'missing' else 'wrong'}"
        for found in error.errors(include_input=False, include_url=False)
    ]
    return "; ".join(told)


class Settings(BaseSettings):
    """What a deployment sets. Nothing else is read from the environment."""

    model_config = SettingsConfigDict(env_prefix="DAIRI_", frozen=True, extra="ignore")

    database_url: str = Field(description="SQLAlchemy address of the database.")
    master_key_file: Path = Field(description="File of the keys that wrap all others.")
    wards: dict[str, str] = Field(description="Issuer by ward code, as JSON.")
    trust_folder: Path = Field(description="Roots of the card's certificates, by purpose.")
    ocsp_url: HttpUrl | None = Field(
        default=None,
        description="OCSP responder for both certificates of a card; asked first.",
    )
    ocsp_without_nonce_minutes: int | None = Field(
        default=None,
        gt=0,
        le=24 * 60,
        description="How old answers without a nonce (RFC 5019) may be; else there are none.",
    )
    crl_folder: Path | None = Field(
        default=None,
        description="Revocation lists, for mandates daily and for all else while no responder answers; with "
        "neither a card counts 2/2 at most.",
    )
    bridge_url: str = Field(default="http://127.0.0.1:8403", description="Where browsers find their bridge.")
    procedures_file: Path | None = Field(
        default=None, description="The ward's procedures; else those that ship."
    )
    upstreams_file: Path | None = Field(
        default=None, description="Other providers to log in with, such as デジタル認証アプリ; else none."
    )
    smtp_host: str = Field(default="127.0.0.1", description="Mail server.")
    smtp_port: int = Field(default=25, description="Its port.")
    mail_sender: str = Field(default="noreply@ward.example", description="Address that mail is sent from.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8400, description="Port to listen on.")

    @field_validator("wards")
    @classmethod
    def _are_served(cls, wards: Mapping[str, str]) -> Mapping[str, str]:
        if not wards:
            raise ValueError("names no ward")
        if len(set(wards.values())) < len(wards):
            raise ValueError("gives two wards one issuer")
        for code, issuer in wards.items():
            try:
                parse_ward(code)
                check_issuer(issuer)
            except ValueError as error:
                raise ValueError(f"is wrong for {code}: {error}") from error
        return wards
