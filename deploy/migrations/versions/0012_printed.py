"""Staff hand ward systems what is printed on a card at the counter, with a code that is redeemed once.

Revision 0012, after 0011.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "oauth_client", sa.Column("reads_cards", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("authorization_code", sa.Column("printed", sa.LargeBinary(), nullable=True))
