"""Who is who and how sure we are: people, their sign-in methods and proofs; evidence to (IAL, AAL)."""
