"""Mandates whose certificate was revoked, and what staff decide about them.

Revision 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

from assurance.database import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "revoked_mandate",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("grant", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("hold_at", UtcDateTime(), nullable=True),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.Column("settled_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "grant"),
    )
    op.create_index("revoked_mandate_waiting", "revoked_mandate", ["ward", "settled_at", "hold_at"])
