"""Staff: why a hold was placed, changes that take two, and who looked at whom.

Revision 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

from assurance.database import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("hold", sa.Column("reason", sa.LargeBinary(), nullable=True))
    op.create_table(
        "staff_change",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("proposed_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("signatures", sa.Integer(), nullable=False),
        sa.Column("done_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index("staff_change_open", "staff_change", ["ward", "done_at", "expires_at"], unique=False)
    op.create_index("staff_change_person", "staff_change", ["ward", "person"], unique=False)
    op.create_table(
        "staff_approval",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("change", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("container", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "change", "number"),
    )
    op.create_index("staff_approval_by", "staff_approval", ["ward", "by"], unique=False)
    op.create_table(
        "staff_look",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("about", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index("staff_look_at", "staff_look", ["ward", "at"], unique=False)
    op.create_index("staff_look_by", "staff_look", ["ward", "by", "at"], unique=False)
