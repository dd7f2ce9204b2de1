"""Registering ward systems: what a row may say, and every change of one a leaf of the audit log."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from sqlmodel import Session, col, select

from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.procedures import Procedures
from assurance.wards import WardCode
from card.jose import TokenRejected, VerificationKey
from delegation.client import DELEGATED_PREFIX
from idp.clients import ASSERTION_ALGS, Client
from idp.tables import OAuthClientRow
from idp.token.client_authentication import METHODS

BY_KEY: Final = "private_key_jwt"
BY_SECRET: Final = "client_secret_basic"  # noqa: S105 - a method's name
LONGEST_OVERLAP: Final = timedelta(days=30)
_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,100}\Z")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}\Z")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,2000}\Z")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+\Z")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_MOST_KEYS: Final = 20
_LONGEST_NAME: Final = 100


class Unregistrable(Exception):  # noqa: N818 - what a registration is
    """What is wrong with a registration, in a sentence."""


def wrong_with_address(address: str) -> str | None:
    """What is wrong with an address of a ward system.

    Whoever may receive at it receives codes, so it names one place, which nobody on the way can become
    (RFC 6749 §3.1.2, RFC 9700 §2.1 and §4.1, RFC 8252 §7.3).
    """
    if _ADDRESS.match(address) is None:
        return "is too long, or holds characters that no address has"
    if "*" in address:
        return "holds a wildcard: addresses are compared exactly"
    if "#" in address:
        return "has a fragment"
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "has no host, or no port, that could be reached"
    if parts.scheme not in {"https", "http"}:
        return "is neither https nor http"
    if "@" in parts.netloc:
        return "names a user"
    if not host or (host != "::1" and _HOST.match(host) is None):
        return "has no host that could be reached"
    if parts.scheme == "http" and host not in _LOOPBACK:
        return "is http outside loopback"
    return None


def _wrong_with_names(client: Client) -> Iterator[str]:
    if _ID.match(client.client_id) is None:
        yield "the id is 1 to 100 letters, digits, `.`, `_`, `~` and `-`"
    if _ID.match(client.sector) is None:
        yield "the sector is 1 to 100 letters, digits, `.`, `_`, `~` and `-`"
    for locale in ("ja", "en"):
        name = client.name.get(locale, "")
        if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
            yield f"the name ({locale}) is one line of at most {_LONGEST_NAME} characters"


def _wrong_with_addresses(client: Client) -> Iterator[str]:
    named = {
        "the redirect URI": client.redirect_uris,
        "the address after a logout": client.post_logout_redirect_uris,
        "the audience": (client.audience,),
    }
    for what, addresses in named.items():
        for address in addresses:
            wrong = wrong_with_address(address)
            if wrong is not None:
                yield f"{what} {address!r} {wrong}"


def _wrong_with_scopes(client: Client, procedures: Procedures) -> Iterator[str]:
    for scope in sorted(client.scopes):
        if scope.startswith(DELEGATED_PREFIX):
            yield f"the scope {scope!r} is not registered: the mint alone writes it"
        elif _SCOPE.match(scope) is None:
            yield f"the scope {scope!r} is none (RFC 6749 §3.3)"
    if not client.scopes:
        yield "it has no scope"
    if client.redirect_uris and "openid" not in client.scopes:
        yield "it logs people in at its redirect URIs, so that it needs the scope openid"
    for id_ in sorted(client.procedures - procedures.by_id.keys()):
        yield f"the procedure {id_!r} is unknown here"


def _wrong_with_jwks(document: Mapping[str, Any] | None) -> Iterator[str]:
    """Every key counts, or the set does not: one that is passed over fails when it is first used."""
    keys = None if document is None else document.get("keys")
    if not isinstance(keys, list) or not 0 < len(keys) <= _MOST_KEYS:
        yield f"the JWK Set holds 1 to {_MOST_KEYS} keys in a list `keys` (RFC 7517 §5)"
        return
    for number, key in enumerate(keys, 1):
        if not isinstance(key, dict):
            yield f"key {number} is no object"
        elif {"d", "k", "p", "q"} & key.keys():
            yield f"key {number} is private; a registration holds public keys alone"
        elif not _is_usable(key):
            yield f"key {number} is none of {', '.join(ASSERTION_ALGS)}, too weak, or for another use"
    ids = [key["kid"] for key in keys if isinstance(key, dict) and "kid" in key]
    if any(ids.count(id_) > 1 for id_ in ids):
        yield "two keys have one kid"


def _is_usable(key: Mapping[str, Any]) -> bool:
    for alg in ASSERTION_ALGS:
        with suppress(ValueError, TokenRejected):
            VerificationKey.from_jwk(key, alg)
            return True
    return False


def _wrong_with_credential(client: Client) -> Iterator[str]:
    if client.auth_method not in METHODS:
        yield f"it authenticates by {' or '.join(METHODS)}"
    elif client.auth_method == BY_KEY:
        yield from _wrong_with_jwks(client.jwks)
    elif client.secret_hash is None:
        yield "it has no secret"


def _others(session: Session, ward: WardCode, client_id: str) -> Collection[OAuthClientRow]:
    """The other systems; disabled ones too, for what they knew they go on knowing."""
    chosen = select(OAuthClientRow).where(
        OAuthClientRow.ward == ward, col(OAuthClientRow.client_id) != client_id
    )
    return session.exec(chosen).all()


def _wrong_with_company(client: Client, others: Collection[OAuthClientRow], *, joins: bool) -> Iterator[str]:
    """Systems in one sector know people by the same subs, so that they can join what they know of them."""
    for other in others:
        if other.sector == client.sector and not joins:
            yield (
                f"the sector {client.sector!r} is {other.client_id}'s, and both would know people as one: "
                "take another, or join it on purpose"
            )
        if other.audience == client.audience and other.sector != client.sector:
            yield f"the audience {client.audience!r} is {other.client_id}'s, in another sector"


def _values(client: Client) -> dict[str, Any]:
    return {
        "name_ja": client.name["ja"],
        "name_en": client.name["en"],
        "redirect_uris": json.dumps(client.redirect_uris),
        "post_logout_redirect_uris": json.dumps(client.post_logout_redirect_uris),
        "auth_method": client.auth_method,
        "secret_hash": client.secret_hash,
        "jwks": None if client.jwks is None else json.dumps(client.jwks),
        "sector": client.sector,
        "audience": client.audience,
        "scopes": json.dumps(sorted(client.scopes)),
        "procedures": json.dumps(sorted(client.procedures)),
        "delegation_aware": client.delegation_aware,
        "reads_cards": client.reads_cards,
    }


def _row(unit: Unit, client_id: str) -> OAuthClientRow | None:
    if _ID.match(client_id) is None:
        return None
    return unit.session.get(OAuthClientRow, (unit.ward, client_id), with_for_update=True)


def _record(unit: Unit, name: EventName, now: datetime, **clear: str | int | bool) -> None:
    unit.record(Event(name, unit.ward, now, {}, clear))


def register_client(
    unit: Unit,
    client: Client,
    procedures: Procedures,
    now: datetime,
    *,
    new: bool = False,
    joins_sector: bool = False,
) -> None:
    """Write a client's row, or the changes of one that is there; one that was disabled stays it.

    :param new: refuse one that is there.
    :param joins_sector: it is meant that it knows people by the same subs as another system.
    :raises Unregistrable: saying everything that is wrong.
    """
    row = _row(unit, client.client_id)
    if row is not None and new:
        raise Unregistrable(f"{client.client_id} is registered already")
    joins = joins_sector or (row is not None and row.sector == client.sector)
    wrong = [
        *_wrong_with_names(client),
        *_wrong_with_addresses(client),
        *_wrong_with_scopes(client, procedures),
        *_wrong_with_credential(client),
        *_wrong_with_company(client, _others(unit.session, unit.ward, client.client_id), joins=joins),
    ]
    if wrong:
        raise Unregistrable("; ".join(wrong))
    values, id_ = _values(client), client.client_id
    if row is None:
        unit.session.add(OAuthClientRow(ward=unit.ward, client_id=id_, created_at=now, **values))
        _record(unit, EventName.CLIENT_ADDED, now, client=id_, sector=client.sector)
        return
    changed = sorted(name for name, value in values.items() if getattr(row, name) != value)
    if changed:
        row.sqlmodel_update(values)
        if {"secret_hash", "jwks"}.intersection(changed):
            _forget_previous(row)
        _record(unit, EventName.CLIENT_CHANGED, now, client=id_, fields=" ".join(changed))


def _forget_previous(row: OAuthClientRow) -> None:
    row.previous_secret_hash, row.previous_jwks, row.previous_until = None, None, None


def rotate_client(
    unit: Unit,
    client_id: str,
    now: datetime,
    *,
    overlap: timedelta,
    secret_hash: str | None = None,
    jwks: Mapping[str, Any] | None = None,
) -> None:
    """Give a client a new secret, or new keys.

    :param overlap: how long the ones that it had go on working beside; what they had replaced ends now.
    :raises Unregistrable: for one that is unknown or disabled, and for a credential of another kind.
    """
    row = _row(unit, client_id)
    if row is None:
        raise Unregistrable(f"{client_id} is not registered")
    if row.disabled_at is not None:
        raise Unregistrable(f"{client_id} is disabled")
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Unregistrable(f"old and new overlap for 0 to {LONGEST_OVERLAP.days} days")
    if (row.auth_method == BY_KEY) != (jwks is not None):
        kind = "keys: name its new JWK Set" if row.auth_method == BY_KEY else "a secret, which is made"
        raise Unregistrable(f"{client_id} has {kind}")
    wrong = [] if jwks is None else list(_wrong_with_jwks(jwks))
    if wrong:
        raise Unregistrable("; ".join(wrong))
    _forget_previous(row)
    if overlap:
        row.previous_secret_hash, row.previous_jwks = row.secret_hash, row.jwks
        row.previous_until = now + overlap
    row.secret_hash, row.jwks = secret_hash, None if jwks is None else json.dumps(jwks)
    _record(
        unit,
        EventName.CLIENT_ROTATED,
        now,
        client=client_id,
        method=row.auth_method,
        overlap_s=int(overlap.total_seconds()),
    )


def disable_client(unit: Unit, client_id: str, now: datetime) -> None:
    """Make a client nobody: from this commit on it, its tokens and its codes are refused everywhere.

    :raises Unregistrable: for one that is unknown, or disabled already.
    """
    row = _row(unit, client_id)
    if row is None:
        raise Unregistrable(f"{client_id} is not registered")
    if row.disabled_at is not None:
        raise Unregistrable(f"{client_id} is disabled since {row.disabled_at:%F %R} UTC")
    row.disabled_at = now
    _record(unit, EventName.CLIENT_DISABLED, now, client=client_id)


def registered_clients(session: Session, ward: WardCode) -> Collection[OAuthClientRow]:
    """Every client of a ward, the disabled ones too."""
    chosen = select(OAuthClientRow).where(OAuthClientRow.ward == ward)
    return session.exec(chosen.order_by(OAuthClientRow.client_id)).all()
