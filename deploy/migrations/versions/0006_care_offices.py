"""Care offices (居宅介護支援事業所): who works for them, what they ask, whom they designate.

Revision 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

from assurance.database import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "designation",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("grant", sa.String(), nullable=False),
        sa.Column("office", sa.String(), nullable=False),
        sa.Column("membership", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("named_by", sa.String(), nullable=False),
        sa.Column("named_at", UtcDateTime(), nullable=False),
        sa.Column("works_from", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("confirmed_by", sa.String(), nullable=True),
        sa.Column("refused_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index("designation_grant", "designation", ["ward", "grant", "works_from"], unique=False)
    op.create_index("designation_membership", "designation", ["ward", "membership"], unique=False)
    op.create_index("designation_person", "designation", ["ward", "person"], unique=False)
    op.create_table(
        "grant_request",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("office", sa.String(), nullable=False),
        sa.Column("membership", sa.String(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("procedures", sa.String(), nullable=False),
        sa.Column("procedures_version", sa.String(), nullable=False),
        sa.Column("actions", sa.String(), nullable=False),
        sa.Column("first", sa.String(), nullable=False),
        sa.Column("last", sa.String(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("open_until", UtcDateTime(), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("grant", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index("grant_request_office", "grant_request", ["ward", "office", "asked_at"], unique=False)
    op.create_index("grant_request_target", "grant_request", ["ward", "target"], unique=False)
    op.create_table(
        "membership",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("office", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=True),
        sa.Column("administrator", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("number_until", sa.String(), nullable=True),
        sa.Column("invitation", sa.String(), nullable=False),
        sa.Column("invitation_until", UtcDateTime(), nullable=False),
        sa.Column("invited_by", sa.String(), nullable=False),
        sa.Column("accepted_at", UtcDateTime(), nullable=True),
        sa.Column("checked_by", sa.String(), nullable=True),
        sa.Column("checked_at", UtcDateTime(), nullable=True),
        sa.Column("attested_until", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
        sa.UniqueConstraint("ward", "invitation"),
    )
    op.create_index("membership_office", "membership", ["ward", "office"], unique=False)
    op.create_index("membership_person", "membership", ["ward", "person"], unique=False)
    op.create_table(
        "office",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("until", sa.String(), nullable=True),
        sa.Column("registered_by", sa.String(), nullable=False),
        sa.Column("registered_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
        sa.UniqueConstraint("ward", "number"),
    )
    op.add_column("delegation_grant", sa.Column("office", sa.String(), nullable=True))
