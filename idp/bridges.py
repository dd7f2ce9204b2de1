"""Bridges on the ward's own PCs, which staff enrolled: their public keys, and what these countersigned.

A login whose answer such a bridge countersigned resists phishing, as long as the bridge is enrolled: with its
revocation that is over at once, also for logins that go on. A bridge that says it is one and never was is
refused, and so is a countersignature over anything but the answer: someone tampered with it.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import Session, col, select

from assurance.among import among
from assurance.database import Unit, table_of
from assurance.events import Event, EventName
from assurance.evidence import Authentication, CardAuthentication
from assurance.wards import WardCode
from card.countersignature import check_countersignature, claimed_bridge
from card.faults import CardRejected
from card.jose import p256_members, thumbprint
from idp.tables import EnrolledBridgeRow

_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_LONGEST_NAME: Final = 60


class Unenrollable(Exception):  # noqa: N818 - what an enrolment is
    """What is wrong with an enrolment, in a sentence."""


def enrol(unit: Unit, name: str, jwk: Mapping[str, Any], now: datetime) -> str:
    """Enrol a bridge of the ward.

    :param name: where it stands, such as 介護窓口 1; nobody's name.
    :param jwk: its public key, for ES256.
    :returns: its id, the key's thumbprint.
    :raises Unenrollable: for a name that is none or another's, and for a key that is none, private, or was
        enrolled before: one that was revoked may be in anyone's hands.
    """
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise Unenrollable(f"the name is one line of at most {_LONGEST_NAME} characters")
    try:
        members = p256_members(jwk)
    except ValueError as error:
        raise Unenrollable(f"that is no public key of a bridge: {error}") from error
    id_ = thumbprint(members)
    row = unit.session.get(EnrolledBridgeRow, (unit.ward, id_))
    if row is not None:
        state = "enrolled already" if row.revoked_at is None else "revoked; make a new one on that PC"
        raise Unenrollable(f"this key is {state}")
    if _live_named(unit.session, unit.ward, name) is not None:
        raise Unenrollable(f"{name} is enrolled already; revoke it first, or take another name")
    unit.session.add(
        EnrolledBridgeRow(ward=unit.ward, id=id_, name=name, jwk=json.dumps(members), enrolled_at=now)
    )
    unit.record(Event(EventName.BRIDGE_ENROLLED, unit.ward, now, {}, {"bridge": id_, "name": name}))
    return id_


def revoke(unit: Unit, name: str, now: datetime) -> str:
    """Revoke the bridge of a name, for good.

    :returns: its id.
    :raises Unenrollable: when there is none.
    """
    row = _live_named(unit.session, unit.ward, name)
    if row is None:
        raise Unenrollable(f"no bridge {name} is enrolled")
    row.revoked_at = now
    unit.record(Event(EventName.BRIDGE_REVOKED, unit.ward, now, {}, {"bridge": row.id, "name": name}))
    return row.id


def _live_named(session: Session, ward: WardCode, name: str) -> EnrolledBridgeRow | None:
    rows = select(EnrolledBridgeRow).where(
        EnrolledBridgeRow.ward == ward,
        EnrolledBridgeRow.name == name,
        col(EnrolledBridgeRow.revoked_at).is_(None),
    )
    return session.exec(rows.with_for_update()).first()


def bridges_of(session: Session, ward: WardCode) -> Sequence[EnrolledBridgeRow]:
    """The bridges that are, or were, enrolled, the oldest first."""
    rows = select(EnrolledBridgeRow).where(EnrolledBridgeRow.ward == ward)
    return session.exec(rows.order_by(col(EnrolledBridgeRow.enrolled_at), col(EnrolledBridgeRow.id))).all()


_BRIDGE: Final = table_of(EnrolledBridgeRow)
_LIVE: Final = sa.select(_BRIDGE.c.id).where(among(_BRIDGE.c.id, "ids"), _BRIDGE.c.revoked_at.is_(None))


def live_of(connection: Connection, ward: WardCode, evidence: Collection[Authentication]) -> Collection[str]:
    """The bridges that countersigned this evidence and are still enrolled; without one there is no query."""
    named = {
        piece.countersigned_by
        for piece in evidence
        if isinstance(piece, CardAuthentication) and piece.countersigned_by is not None
    }
    if not named:
        return frozenset()
    return set(connection.execute(_LIVE, {"ward": ward, "ids": list(named)}).scalars())


def countersigned_by(
    session: Session,
    ward: WardCode,
    countersignature: str,
    *,
    response_uri: str,
    state: str,
    container: str,
    now: datetime,
) -> str | None:
    """Which enrolled bridge countersigned an answer.

    :param countersignature: as it was posted; empty from every bridge that nobody enrolled.
    :returns: None without one, and from a bridge that was revoked, which is no more than any other.
    :raises CardRejected: `card.countersignature`, of a key that was never enrolled, or wrong.
    """
    if not countersignature:
        return None
    id_ = claimed_bridge(countersignature)
    row = session.get(EnrolledBridgeRow, (ward, id_)) if _THUMBPRINT.match(id_) else None
    if row is None:
        raise CardRejected("card.countersignature")
    check_countersignature(
        countersignature,
        json.loads(row.jwk),
        response_uri=response_uri,
        state=state,
        container=container,
        now=now,
    )
    return id_ if row.revoked_at is None else None
