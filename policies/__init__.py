"""What a ward may change without a programmer: procedures, assurance thresholds, Casbin rules (data)."""
