"""Mandates whose certificate was revoked after they were signed: what follows, and who decides it.

A mandate became active on *good* only. Every new list is matched with the mandates of all active grants, so
that each is also judged by the first status that is published after it was signed, and by every later one.
Where a deployment has an OCSP responder alone there are no lists: nothing is matched there, and what is
revoked later is learnt from staff or at the next signature. Asking about each mandate would tell the
responder every day whose mandates the ward keeps.

A hold ends by two staff, or by a new mandate: a new grant, signed with the new card. That a certificate
leaves a list again ends none.
"""
