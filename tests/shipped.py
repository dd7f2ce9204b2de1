"""What ships, read once: texts, templates and policies are the same for every test."""

from typing import Final

from assurance.procedures import load_procedures
from assurance.thresholds import load_thresholds
from delegation.rules import load_rules
from idp.services import make_pages

PAGES: Final = make_pages()
PROCEDURES: Final = load_procedures()
RULES: Final = load_rules()
THRESHOLDS: Final = load_thresholds()
