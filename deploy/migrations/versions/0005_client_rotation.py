"""A ward system can be disabled, and its old secret or keys go on working for a while after a rotation.

A process of the version before knows of neither: until every one is new, an old one still serves a client
that was disabled, and refuses what a rotation replaced.

Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

from assurance.database import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("previous_secret_hash", sa.String(), nullable=True),
        sa.Column("previous_jwks", sa.String(), nullable=True),
        sa.Column("previous_until", UtcDateTime(), nullable=True),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
    ):
        op.add_column("oauth_client", column)
