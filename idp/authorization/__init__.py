"""The authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2, RFC 9207): from a request to a code."""
