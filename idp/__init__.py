"""The OpenID Connect provider: sessions, ways to log in, keys, account pages; the composition root.

One application a ward, built from that ward's own `Services`: a page of one ward cannot name another's rows.
"""
