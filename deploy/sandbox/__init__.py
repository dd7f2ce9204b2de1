"""The whole house on one machine: provider, bridge, virtual card, caught mail.

Nothing here is for production.
"""
