"""What an upstream said of someone: its ID token and its userinfo, judged (OIDC Core §3.1.3.7, §5.3.2)."""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from assurance.app_login import AppAttributes
from assurance.business import Account, Business
from card.jose import KeySet, TokenRejected, b64url_encode, verify_compact

_BIRTH_DATE: Final = re.compile(r"[0-9]{8}\Z")
_BUSINESS_NUMBER: Final = re.compile(r"[0-9A-Za-z]{1,20}\Z")
_ACCOUNTS: Final = {"2": Account.PRIME, "3": Account.MEMBER}
_SEXES: Final = frozenset({"1", "2"})
_LONGEST_NAME: Final = 200
_LONGEST_SUB: Final = 255


class NotBelieved(Exception):  # noqa: N818 - a refusal, not an error of the program
    """What was said does not count.

    :param why: one word for the log; nothing personal.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token must say.

    :param acr: the words that its `acr` must hold.
    """

    issuer: str
    client_id: str
    nonce: str
    acr: Collection[str]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who was authenticated, and when.

    :param identifier: issuer and `sub`; neither is anybody's name alone (OIDC Core §2).
    :param userinfo: what was asked for besides; empty where nothing was.
    """

    identifier: str
    authenticated_at: datetime
    userinfo: Mapping[str, object]


def verify_id_token(
    token: str, keys: KeySet, expected: Expected, access_token: str, now: datetime
) -> tuple[str, datetime]:
    """Verify an ID token.

    :returns: its `sub`, and when the person authenticated.
    :raises NotBelieved: with what was wrong.
    :raises TokenRejected: `key` alone, where its key may have been published since.
    """
    try:
        claims = verify_compact(
            token,
            keys,
            typ=("JWT", ""),
            issuer=expected.issuer,
            audience=expected.client_id,
            now=now,
            required=("sub", "iat", "nonce"),
        )
    except TokenRejected as rejected:
        if rejected.code == "key":
            raise
        raise NotBelieved(rejected.code) from rejected
    sub = claims["sub"]
    if not isinstance(sub, str) or not (0 < len(sub) <= _LONGEST_SUB and sub.isascii() and sub.isprintable()):
        raise NotBelieved("sub")
    if claims["nonce"] != expected.nonce:
        raise NotBelieved("nonce")
    if claims.get("azp", expected.client_id) != expected.client_id:
        raise NotBelieved("azp")
    if "at_hash" in claims and claims["at_hash"] != _half_hash(access_token):
        raise NotBelieved("at_hash")
    acr = claims.get("acr")
    if not set(expected.acr) <= set(acr.split() if isinstance(acr, str) else ()):
        raise NotBelieved("acr")
    return sub, _authenticated_at(claims, now)


def _half_hash(access_token: str) -> str:
    """`at_hash` of a token that was signed with SHA-256 (OIDC Core §3.1.3.6)."""
    return b64url_encode(hashlib.sha256(access_token.encode()).digest()[:16])


def _authenticated_at(claims: Mapping[str, object], now: datetime) -> datetime:
    """`auth_time`, else `iat`; a clock that is ahead of ours makes nobody fresher than now."""
    said = claims.get("auth_time", claims["iat"])
    if isinstance(said, bool) or not isinstance(said, int | float) or said < 0:
        raise NotBelieved("auth_time")
    return datetime.fromtimestamp(min(said, now.timestamp()), UTC)


def check_userinfo(userinfo: Mapping[str, object], sub: str) -> None:
    """Userinfo is about whom the ID token is about, or it is not used (OIDC Core §5.3.2).

    :raises NotBelieved: when it is not.
    """
    if userinfo.get("sub") != sub:
        raise NotBelieved("userinfo")


def read_business(userinfo: Mapping[str, object]) -> Business:
    """What GビズID says of someone's business (接続システム向けガイドライン, userinfo with `profile`).

    :raises NotBelieved: `account_type` for an entry account, whose business nobody checked; else the claim
        that cannot be read.
    """
    account, kind, number, name = (
        str(userinfo.get(claim, "")) for claim in ("account_type", "corp_type", "corporate_number", "name")
    )
    if account not in _ACCOUNTS:
        raise NotBelieved("account_type")
    if kind not in {"1", "2"}:
        raise NotBelieved("corp_type")
    if _BUSINESS_NUMBER.match(number) is None or (kind == "1" and not _is_corporate(number)):
        raise NotBelieved("corporate_number")
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise NotBelieved("name")
    return Business(_ACCOUNTS[account], number, name)


def _is_corporate(number: str) -> bool:
    """Whether the first of 13 digits is the check digit of the others (法人番号の指定等に関する省令2条)."""
    if len(number) != 13 or not number.isdigit():
        return False
    weighted = sum(int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(number[1:])))
    return int(number[0]) == 9 - weighted % 9


def read_attributes(userinfo: Mapping[str, object]) -> AppAttributes:
    """The attributes as デジタル認証アプリ writes them; claims that we do not know are passed over.

    :raises NotBelieved: for a birth date that is no day (`YYYYMMDD`), a sex other than `1` and `2`, or none.
    """
    name, birth_date, sex = (userinfo.get(claim) for claim in ("name", "birthdate", "gender"))
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME:
        raise NotBelieved("name")
    if not isinstance(birth_date, str) or _BIRTH_DATE.match(birth_date) is None:
        raise NotBelieved("birthdate")
    if not isinstance(sex, str) or sex not in _SEXES:
        raise NotBelieved("gender")
    try:
        born = date(int(birth_date[:4]), int(birth_date[4:6]), int(birth_date[6:]))
    except ValueError as error:
        raise NotBelieved("birthdate") from error
    return AppAttributes(name, born, sex)
