"""An audit log to write, number, judge and tamper with."""

from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import select

from assurance.database import Database, table_of
from assurance.events import Event, EventName
from assurance.wards import Ward
from delegation.audit.checkpoint import (
    Head,
    log_key,
    origin_of,
    read_checkpoint,
)
from delegation.audit.closing import close_own
from delegation.audit.leaf import Leaf
from delegation.audit.proofs import latest_checkpoint
from delegation.audit.recorder import writers_of
from delegation.audit.sequencer import sequence
from delegation.audit.tables import CheckpointRow, HeadRow, LeafRow, NodeRow
from delegation.audit.verify import Report, verify_log
from tests.conftest import NOW, FixedClock

KEY = Ed25519PrivateKey.generate()


LEAF, NODE = table_of(LeafRow), table_of(NodeRow)

HEAD, CHECKPOINT = table_of(HeadRow), table_of(CheckpointRow)


def record(database: Database, ward: Ward, count: int, at: datetime = NOW) -> None:
    for number in range(count):
        with database.writing(ward.code) as unit:
            unit.record(Event(EventName.LOGIN_ENDED, ward.code, at, {}, {"n": number}))


def number_all(database: Database, ward: Ward, key: Ed25519PrivateKey = KEY) -> int:
    with database.writing(ward.code) as unit:
        return sequence(unit, ward, key, FixedClock())


def judge(database: Database, ward: Ward, kept: Head | None = None) -> Report:
    return verify_log(database, ward, [log_key(origin_of(ward.issuer), KEY)], kept)


def kept_checkpoint(database: Database, ward: Ward) -> Head:
    with database.reading(ward.code) as session:
        found = latest_checkpoint(session, ward.code)
    assert found is not None
    return read_checkpoint(found.text, [log_key(origin_of(ward.issuer), KEY)])


def rewrite(database: Database, *statements: Any) -> None:
    """Do what somebody with the database's password can do."""
    with database.writing_engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def close(database: Database, ward: Ward, at: datetime = NOW, *, stopping: bool = False) -> None:
    close_own(database, ward.code, writers_of(database), at, stopping=stopping)


def leaves(database: Database, event: EventName) -> list[Leaf]:
    with database.reading() as session:
        contents = session.exec(select(LeafRow.content)).all()
    return [leaf for leaf in map(Leaf.parse, contents) if leaf.event == event]
