"""Grants, mandates, decisions, audit, and the client package that ward systems import."""
