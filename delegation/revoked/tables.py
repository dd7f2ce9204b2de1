"""Table of mandates whose certificate was revoked."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from assurance.database import time_column


class RevokedMandateRow(SQLModel, table=True):
    """A mandate that a list named, with the reason that was taken up last; each reason is taken up once.

    :param reason: as the list says it (RFC 5280 §5.3.1).
    :param seen_at: when it was found.
    :param hold_at: when its grant is held unless staff decide before; None where nothing is to review.
    :param settled_at: since when nothing waits any more.
    :param settled_by: the staff member who decided; None where nobody had to.
    """

    __tablename__ = "revoked_mandate"
    __table_args__ = (Index("revoked_mandate_waiting", "ward", "settled_at", "hold_at"),)

    ward: str = Field(primary_key=True)
    grant: str = Field(primary_key=True)
    reason: str
    seen_at: datetime = time_column()
    hold_at: datetime | None = time_column(nullable=True)
    settled_at: datetime | None = time_column(nullable=True)
    settled_by: str | None = None
