"""What stands in for デジタル認証アプリ, the national app, which nobody can have on a machine of their own.

It speaks the app's OpenID Connect over a real socket, as far as that is published: the addresses, the
scopes, `acr_values`, PKCE, `private_key_jwt` with the token endpoint as `aud`, ES256, a `sub` of its own for
each client, `birthdate` as `YYYYMMDD`, `gender` as `1` or `2`. It has no phone and reads no card: whose phone
answers, and what, is chosen on its page. What an ID token says in `acr` is our reading; see `idp.upstream`.
"""
