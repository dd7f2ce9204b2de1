"""Migrations, the sandbox and its sample ward system (data and programs that nothing imports)."""
