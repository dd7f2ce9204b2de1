"""Logging in: by card through the bridge, by passkey, by a code sent by mail."""
