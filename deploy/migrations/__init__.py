"""Migrations, each runnable while the version before it serves (Alembic)."""
