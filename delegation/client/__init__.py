"""What a ward system imports: verify tokens locally, ask for decisions, keep two people's forms apart.

It needs neither the service nor a database. Logging people in is plain OpenID Connect, by whatever client a
system uses already.
"""

from delegation.client.access import Access, NotForThis, TokenRefused, read_access, require_context
from delegation.client.system import Decision, DecisionUnavailable, WardSystem

__all__ = [
    "Access",
    "Decision",
    "DecisionUnavailable",
    "NotForThis",
    "TokenRefused",
    "WardSystem",
    "read_access",
    "require_context",
]
