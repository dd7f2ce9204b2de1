"""A card's identifiers end when another card takes its place; its certificate tells whether it still may.

A process of the version before knows of no end: until every one is new, an old one still takes a login by a
card that was replaced, as long as the card itself is neither expired nor revoked.

Revision 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

from assurance.database import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("identifier", sa.Column("certificate", sa.LargeBinary(), nullable=True))
    op.add_column("identifier", sa.Column("ended_at", UtcDateTime(), nullable=True))
