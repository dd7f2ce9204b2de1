"""The counter: a resident who is there with her card, paper that two staff enter, children who cannot sign.

What comes from paper is an attestation with the proof seen, never the principal's own signature.
"""
