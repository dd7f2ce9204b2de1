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
"""What every package speaks, the first where nothing else is asked for."""
LANGUAGES: Final[Mapping[str, str]] = {
    "ja": "日本語",
    "ja-x-easy": "やさしい日本語",
    "en": "English",
    "zh-Hans": "简体中文",
    "ko": "한국어",
    "vi": "Tiếng Việt",
}
"""What a package may speak, by tag (BCP 47), as each calls itself."""
_READ_TOO: Final = {"ja-x-easy": "ja", "zh-Hans": "ja", "ko": "en", "vi": "en"}


def closest(locale: str, names: Mapping[str, str]) -> str:
    """The key of what is told in fewer languages than ours that a reader of this one reads best."""
    return next((one for one in (locale, _READ_TOO.get(locale, "")) if one in names), next(iter(names)))


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
    catalogue = read_po(BytesIO(folder.joinpath(f"{locale}.po").read_bytes()))
    return {str(message.id): str(message.string) for message in catalogue if message.id}


def languages_of(package: str) -> list[str]:
    """The languages that a package speaks."""
    folder = files(package).joinpath("locale")
    return [locale for locale in LANGUAGES if folder.joinpath(f"{locale}.po").is_file()]


def load_catalogue(packages: Iterable[str]) -> Catalogue:
    """Read the catalogues of packages, in the languages that all of them speak.

    A key belongs to one package. The bridge, made of one package, speaks more than the provider.

    :raises ValueError: when two packages share a key, or a language lacks one.
    """
    packages = list(packages)
    spoken = [locale for locale in LANGUAGES if all(locale in languages_of(package) for package in packages)]
    texts: dict[str, dict[str, str]] = {locale: {} for locale in spoken}
    for package in packages:
        for locale in spoken:
            found = read_texts(files(package).joinpath("locale"), locale)
            if not texts[locale].keys().isdisjoint(found):
                raise ValueError(f"{package} repeats a key")
            texts[locale] |= found
    first = texts[LOCALES[0]].keys()
    for locale in spoken:
        if texts[locale].keys() != first:
            raise ValueError(f"{locale} differs: {sorted(texts[locale].keys() ^ first)}")
    return Catalogue(texts)
