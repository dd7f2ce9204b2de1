"""Bridges that staff enrolled, and how a ward's request key came after the one before it.

Revision 0010, after 0009.
"""

import sqlalchemy as sa
from alembic import op

from assurance.database import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("signing_key", sa.Column("certified", sa.String(), nullable=True))
    op.create_table(
        "enrolled_bridge",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("jwk", sa.String(), nullable=False),
        sa.Column("enrolled_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
