"""The token endpoint and what tokens are asked about: mint, introspection, revocation, userinfo.

Authlib holds the rules of OAuth and works on rows that we loaded; what it wants saved is written in the same
unit. The claim of a code or refresh token is a conditional update, so that of two requests one wins.
"""
