"""Login by somebody else's word: the OpenID providers that a ward configured, of which we are a client.

One module a matter: `configured` reads the ward's file, `provider` talks to one of them, `identity` judges
what it said, and `errand` sends a browser out and takes it back in.

- No call leaves that is not configured, and none leaves the issuer's own origin. Metadata and keys are asked
  for when somebody first needs them: a start waits for nobody, and one that is down costs its button alone.
- Each has a callback of its own, and an answer counts only there, once, in the browser that asked: what comes
  back is a one-time answer (`idp.answers`), and its code is redeemed only after both cookies were seen.
- A JWT is verified by `card.jose` alone, with the one algorithm that is expected, never the one it names.
- Nobody is made, found or joined by a name that someone else says; `assurance.app_login` has the rules.

**What could not be verified** against デジタル認証アプリ itself, and is changed in `configured` if need be:
its ID token repeats in `acr`, as words with spaces between, what it reached of the `acr_values` (OIDC Core
§2). One that says less, or nothing, is refused. That `auth_time` is there is not relied on: without it the
token's `iat` is the time, since each login there is one reading of the card.
"""
