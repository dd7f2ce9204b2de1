"""Texts by key and language, from gettext files."""

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from typing import Final

from babel.messages.pofile import read_po

LOCALES: Final = ("ja", "en")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All texts of all packages.

    :param texts: by language, then by key.
    """

    texts: Mapping[str, Mapping[str, str]]

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in self.texts[LOCALES[0]]

    def text(self, locale: str, key: str, **values: object) -> str:
        """A text with its values filled in.

        :raises KeyError: for a key that no catalogue has.
        """
        return _Plain().vformat(self.texts[locale][key], (), values) if values else self.texts[locale][key]


class _Plain(string.Formatter):
    """Fills in names alone: no attribute or index of a value can be reached from a text."""

    def get_field(self, field_name: str, args: object, kwargs: Mapping[str, object]) -> tuple[object, str]:
        del args
        return kwargs[field_name], field_name


def read_texts(folder: Traversable, locale: str) -> dict[str, str]:
    """One file's texts by key."""
    catalogue = read_po(BytesIO(folder.joinpath(f"{locale}.po").read_bytes()), locale=locale)
    return {str(message.id): str(message.string) for message in catalogue if message.id}


def load_catalogue(packages: Iterable[str]) -> Catalogue:
    """Read the catalogues of packages; a key belongs to one of them.

    :raises ValueError: when two packages share a key, or a language lacks one.
    """
    texts: dict[str, dict[str, str]] = {locale: {} for locale in LOCALES}
    for package in packages:
        for locale in LOCALES:
            found = read_texts(files(package).joinpath("locale"), locale)
            if not texts[locale].keys().isdisjoint(found):
                raise ValueError(f"{package} repeats a key")
            texts[locale] |= found
    first = texts[LOCALES[0]].keys()
    for locale in LOCALES:
        if texts[locale].keys() != first:
            raise ValueError(f"{locale} differs: {sorted(texts[locale].keys() ^ first)}")
    return Catalogue(texts)
