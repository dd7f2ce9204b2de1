"""Visits at the counter, what two staff enter from paper, and what they attest.

Revision 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

from assurance.database import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counter_visit",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("staff", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("login", sa.String(), nullable=True),
        sa.Column("person", sa.String(), nullable=True),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index("counter_visit_login", "counter_visit", ["ward", "login", "expires_at"])
    op.create_index("counter_visit_expires_at", "counter_visit", ["ward", "expires_at"])
    op.create_table(
        "paper_entry",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("entered_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "number"),
    )
    op.create_index("paper_entry_expires_at", "paper_entry", ["ward", "expires_at"])
    op.create_table(
        "attestation",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("grant", sa.String(), nullable=False),
        sa.Column("by_one", sa.String(), nullable=False),
        sa.Column("by_two", sa.String(), nullable=False),
        sa.Column("paper", sa.String(), nullable=False),
        sa.Column("proof", sa.String(), nullable=False),
        sa.Column("custody", sa.Boolean(), nullable=False),
        sa.Column("attested_at", UtcDateTime(), nullable=False),
        sa.Column("attested_until", UtcDateTime(), nullable=True),
        sa.Column("letter_printed_at", UtcDateTime(), nullable=True),
        sa.Column("opens_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "grant"),
        sa.UniqueConstraint("ward", "paper"),
    )
    op.create_index("attestation_opens_at", "attestation", ["ward", "opens_at"])
