"""The OpenID Connect provider and the composition root."""
