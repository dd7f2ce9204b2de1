"""What is looked up within a ward has an index that begins with it, as the keys do.

With the ward in the query and not in the index, SQLite reads every proof, credential and code of the ward to
find those of one person, or who won a claim.

Revision 0003, after 0002.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BY_ONE_COLUMN = (
    ("person", "user_handle"),
    ("proof", "person"),
    ("proof", "name_mac"),
    ("identifier", "person"),
    ("credential", "person"),
    ("challenge", "bound"),
    ("challenge", "expires_at"),
    ("login_session", "browser"),
    ("login_session", "person"),
    ("login_session", "expires_at"),
    ("interaction", "expires_at"),
    ("client_authorization", "client_id"),
    ("client_authorization", "person"),
    ("client_authorization", "login"),
    ("client_authorization", "grant"),
    ("authorization_code", "expires_at"),
    ("refresh_token", "expires_at"),
    ("used_jti", "expires_at"),
    ("mandate", "certificate"),
    ("notice", "expires_at"),
    ("decision", "grant"),
    ("audit_leaf", "refers"),
    ("audit_part", "person"),
    ("authorization_code", "used_by"),
    ("refresh_token", "used_by"),
)


def upgrade() -> None:
    for table, column in BY_ONE_COLUMN:
        op.drop_index(op.f(f"ix_{table}_{column}"), table)
        op.create_index(f"{table}_{column}", table, ["ward", column], unique=False)
    op.create_index("subject_person", "subject", ["ward", "person"], unique=False)
