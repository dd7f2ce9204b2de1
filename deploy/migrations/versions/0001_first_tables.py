"""The first tables.

Revision 0001, after None.
"""

import sqlalchemy as sa
from alembic import op

from assurance.database import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_checkpoint",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "size"),
    )
    op.create_table(
        "audit_head",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("ward"),
    )
    op.create_table(
        "audit_leaf",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("writer", sa.String(), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("refers", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "writer", "counter"),
        sa.UniqueConstraint("ward", "number"),
    )
    op.create_index(op.f("ix_audit_leaf_refers"), "audit_leaf", ["refers"], unique=False)
    op.create_table(
        "audit_node",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "level", "number"),
    )
    op.create_table(
        "audit_part",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("writer", sa.String(), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "writer", "counter", "position"),
    )
    op.create_index(op.f("ix_audit_part_person"), "audit_part", ["person"], unique=False)
    op.create_table(
        "authorization_code",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("authorization", sa.String(), nullable=False),
        sa.Column("redirect_uri", sa.String(), nullable=False),
        sa.Column("code_challenge", sa.String(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "code"),
    )
    op.create_index(
        op.f("ix_authorization_code_expires_at"), "authorization_code", ["expires_at"], unique=False
    )
    op.create_index(op.f("ix_authorization_code_used_by"), "authorization_code", ["used_by"], unique=False)
    op.create_table(
        "challenge",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("browser", sa.String(), nullable=False),
        sa.Column("bound", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("tries_left", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index(op.f("ix_challenge_bound"), "challenge", ["bound"], unique=False)
    op.create_index(op.f("ix_challenge_expires_at"), "challenge", ["expires_at"], unique=False)
    op.create_table(
        "client_authorization",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("login", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=True),
        sa.Column("principal", sa.String(), nullable=True),
        sa.Column("grant", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index(
        op.f("ix_client_authorization_client_id"), "client_authorization", ["client_id"], unique=False
    )
    op.create_index(op.f("ix_client_authorization_grant"), "client_authorization", ["grant"], unique=False)
    op.create_index(op.f("ix_client_authorization_login"), "client_authorization", ["login"], unique=False)
    op.create_index(op.f("ix_client_authorization_person"), "client_authorization", ["person"], unique=False)
    op.create_table(
        "credential",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("credential_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.Integer(), nullable=False),
        sa.Column("synced", sa.Boolean(), nullable=False),
        sa.Column("label", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.Column("counts_from", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "credential_id"),
        sa.UniqueConstraint("ward", "id"),
    )
    op.create_index(op.f("ix_credential_person"), "credential", ["person"], unique=False)
    op.create_table(
        "decision",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("procedure", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("grant", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index("decision_principal", "decision", ["ward", "principal", "at"], unique=False)
    op.create_index(op.f("ix_decision_grant"), "decision", ["grant"], unique=False)
    op.create_table(
        "delegation_grant",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("delegate", sa.String(), nullable=True),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("procedures", sa.String(), nullable=False),
        sa.Column("procedures_version", sa.String(), nullable=False),
        sa.Column("actions", sa.String(), nullable=False),
        sa.Column("first", sa.String(), nullable=False),
        sa.Column("last", sa.String(), nullable=False),
        sa.Column("delegate_name", sa.LargeBinary(), nullable=False),
        sa.Column("invited", sa.LargeBinary(), nullable=False),
        sa.Column("invitation", sa.String(), nullable=False),
        sa.Column("invitation_until", UtcDateTime(), nullable=False),
        sa.Column("digits", sa.LargeBinary(), nullable=True),
        sa.Column("tries_left", sa.Integer(), nullable=False),
        sa.Column("compared_at", UtcDateTime(), nullable=True),
        sa.Column("commitment", sa.String(), nullable=True),
        sa.Column("opening", sa.LargeBinary(), nullable=True),
        sa.Column("ended_reason", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
        sa.UniqueConstraint("ward", "invitation"),
    )
    op.create_index("delegation_grant_principal", "delegation_grant", ["ward", "principal"], unique=False)
    op.create_index(
        "delegation_grant_use", "delegation_grant", ["ward", "delegate", "principal", "state"], unique=False
    )
    op.create_table(
        "grant_transition",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("grant", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "grant", "version"),
    )
    op.create_table(
        "hold",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("placed_at", UtcDateTime(), nullable=False),
        sa.Column("lifted_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index("hold_open", "hold", ["ward", "kind", "target", "lifted_at"], unique=False)
    op.create_table(
        "identifier",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("mac", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("bound_at", UtcDateTime(), nullable=False),
        sa.Column("counts_from", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "kind", "mac"),
    )
    op.create_index(op.f("ix_identifier_person"), "identifier", ["person"], unique=False)
    op.create_table(
        "installation", sa.Column("kind", sa.String(), nullable=False), sa.PrimaryKeyConstraint("kind")
    )
    op.create_table(
        "interaction",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("browser", sa.String(), nullable=False),
        sa.Column("return_to", sa.String(), nullable=False),
        sa.Column("ial", sa.Integer(), nullable=False),
        sa.Column("aal", sa.Integer(), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("answer_hash", sa.String(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("answer_until", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index(op.f("ix_interaction_expires_at"), "interaction", ["expires_at"], unique=False)
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "login_session",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("browser", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index(op.f("ix_login_session_browser"), "login_session", ["browser"], unique=False)
    op.create_index(op.f("ix_login_session_expires_at"), "login_session", ["expires_at"], unique=False)
    op.create_index(op.f("ix_login_session_person"), "login_session", ["person"], unique=False)
    op.create_table(
        "mandate",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("grant", sa.String(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("container", sa.LargeBinary(), nullable=False),
        sa.Column("opening", sa.LargeBinary(), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("certificate", sa.String(), nullable=False),
        sa.Column("signed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "grant"),
    )
    op.create_index(op.f("ix_mandate_certificate"), "mandate", ["certificate"], unique=False)
    op.create_table(
        "oauth_client",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("name_ja", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("redirect_uris", sa.String(), nullable=False),
        sa.Column("post_logout_redirect_uris", sa.String(), nullable=False),
        sa.Column("auth_method", sa.String(), nullable=False),
        sa.Column("secret_hash", sa.String(), nullable=True),
        sa.Column("jwks", sa.String(), nullable=True),
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("procedures", sa.String(), nullable=False),
        sa.Column("delegation_aware", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "client_id"),
    )
    op.create_table(
        "person",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("user_handle", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index(op.f("ix_person_user_handle"), "person", ["user_handle"], unique=False)
    op.create_table(
        "person_key",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("master_key", sa.String(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "person"),
    )
    op.create_table(
        "proof",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("ial", sa.Integer(), nullable=False),
        sa.Column("proven_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.Column("name_mac", sa.String(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("birth_date", sa.LargeBinary(), nullable=False),
        sa.Column("sex", sa.LargeBinary(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "id"),
    )
    op.create_index(op.f("ix_proof_name_mac"), "proof", ["name_mac"], unique=False)
    op.create_index(op.f("ix_proof_person"), "proof", ["person"], unique=False)
    op.create_table(
        "protection",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "person"),
    )
    op.create_table(
        "refresh_token",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("authorization", sa.String(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "token"),
    )
    op.create_index(op.f("ix_refresh_token_expires_at"), "refresh_token", ["expires_at"], unique=False)
    op.create_index(op.f("ix_refresh_token_used_by"), "refresh_token", ["used_by"], unique=False)
    op.create_table(
        "role_assignment",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "person", "role"),
    )
    op.create_table(
        "signing_key",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("kid", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("alg", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("retired_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ward", "kid"),
    )
    op.create_table(
        "subject",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("sub", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "sector", "person"),
        sa.UniqueConstraint("ward", "sector", "sub"),
    )
    op.create_table(
        "used_jti",
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("jti", sa.String(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ward", "client_id", "jti"),
    )
    op.create_index(op.f("ix_used_jti_expires_at"), "used_jti", ["expires_at"], unique=False)
