"""The bridge: a small program on someone's PC that lets a browser reach the card (`dairi bridge`).

The provider sends the browser here by top-level navigation with a request that it signed. The bridge checks
who asks, shows it, takes the PIN on its own page, signs, and posts the container back. It is no signing
oracle: it answers only enrolled issuers, only to the one pinned address, only loopback peers of its own
user, and each request once.
"""
