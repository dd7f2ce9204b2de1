"""Handles: random secrets that someone carries; what is kept of them is a hash."""

import hashlib
import secrets


def new_handle() -> str:
    """256 random bits, base64url."""
    return secrets.token_urlsafe(32)


def hashed(handle: str) -> str:
    """What is stored of it; whatever someone shows in its place has a hash too, lone surrogates included."""
    return hashlib.sha256(handle.encode("utf-8", "surrogatepass")).hexdigest()
