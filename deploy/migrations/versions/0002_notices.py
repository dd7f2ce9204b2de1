"""Mails that one person makes us send to another are counted.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

from assurance.database import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notice",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("grant", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index("notice_address", "notice", ["ward", "address", "expires_at"], unique=False)
    op.create_index(op.f("ix_notice_expires_at"), "notice", ["expires_at"], unique=False)
    op.create_index("notice_grant", "notice", ["ward", "grant", "kind", "expires_at"], unique=False)
