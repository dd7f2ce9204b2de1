"""What a person sees of their own: level, passkeys, logins."""
