"""Tables of the audit log. Every key but the lease's begins with the ward: each has a tree of its own."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from assurance.database import time_column


class LeafRow(SQLModel, table=True):
    """One event.

    :param number: its place in the tree, once it was sequenced.
    :param content: the octets that are hashed: clear fields and ciphertexts, in one JSON.
    :param refers: what it is found by, and not hashed: the hash of what it vouches for, such as a
        verification record; on the first leaf of a writer that nobody closed yet, `leaf.OPEN`.
    """

    __tablename__ = "audit_leaf"
    __table_args__ = (
        UniqueConstraint("ward", "number"),
        Index("audit_leaf_refers", "ward", "refers"),
    )

    ward: str = Field(primary_key=True)
    writer: str = Field(primary_key=True)
    counter: int = Field(primary_key=True)
    number: int | None = None
    content: bytes
    hash: bytes
    refers: str | None = None


class PartRow(SQLModel, table=True):
    """Whose sealed part a leaf holds: found by a MAC under a key of the log's own.

    The rows are not under the tree's hashes: a MAC in the leaf would join all that one person ever did, in
    every copy of the log. Deleting a row hides the leaf from its person, and `verify` reports it, as it does
    a row too many. Giving it another's MAC hides the leaf too, which nothing reports; it shows the leaf to
    nobody else, whose key does not open the part. Erasing a person leaves the rows: without their key and id
    a MAC says nothing.

    :param position: of the part in the leaf.
    """

    __tablename__ = "audit_part"
    __table_args__ = (Index("audit_part_person", "ward", "person"),)

    ward: str = Field(primary_key=True)
    writer: str = Field(primary_key=True)
    counter: int = Field(primary_key=True)
    position: int = Field(primary_key=True)
    person: str


class NodeRow(SQLModel, table=True):
    """A complete subtree above the leaves."""

    __tablename__ = "audit_node"

    ward: str = Field(primary_key=True)
    level: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    hash: bytes


class HeadRow(SQLModel, table=True):
    """How far a ward's tree is; it moves only from the size that was read."""

    __tablename__ = "audit_head"

    ward: str = Field(primary_key=True)
    size: int


class CheckpointRow(SQLModel, table=True):
    """A checkpoint, stored before it is shown."""

    __tablename__ = "audit_checkpoint"

    ward: str = Field(primary_key=True)
    size: int = Field(primary_key=True)
    text: str
    at: datetime = time_column()


class LeaseRow(SQLModel, table=True):
    """Which process does something just now: thrift alone; what it writes is fenced by itself.

    The key does not begin with the ward, since a process is no ward's: one works for all of them. The same
    holds of `installation`.
    """

    __tablename__ = "lease"

    name: str = Field(primary_key=True)
    holder: str
    until: datetime = time_column()
