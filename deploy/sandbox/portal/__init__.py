"""A sample ward system (介護保険 申請ポータル): an OIDC client and resource server of its own.

It uses the client package, Authlib's Starlette client and public endpoints, as any ward system would.
"""
