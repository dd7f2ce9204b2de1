"""Every text in every language, every key used, every fault with a sentence and a next step."""

import re
from collections.abc import Mapping
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import pytest

from card.faults import FaultKind
from card.pages import LOCALES, load_catalogue
from card.pages.catalogue import LANGUAGES, closest, languages_of, read_texts

ROOT = Path(__file__).parents[2]
LAYERS = ("card", "assurance", "delegation", "idp")
PACKAGES = [
    package
    for package in (*LAYERS, "deploy.sandbox")
    if (ROOT / package.replace(".", "/") / "locale").is_dir()
]
WITH_FAULTS = [package for package in LAYERS if (ROOT / package / "faults.py").exists()]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_language_has_every_text_with_the_same_values(package: str) -> None:
    by_locale = {
        locale: read_texts(files(package).joinpath("locale"), locale) for locale in languages_of(package)
    }
    assert set(LOCALES) <= by_locale.keys()
    reference = by_locale["ja"]
    for locale, texts in by_locale.items():
        assert texts.keys() == reference.keys(), locale
        for key, text in texts.items():
            assert text.strip(), (locale, key)
            names = set(re.findall(r"{(\w+)}", text))
            assert names == set(re.findall(r"{(\w+)}", reference[key])), (locale, key)


@pytest.mark.parametrize("package", WITH_FAULTS)
def test_every_fault_has_a_sentence_and_a_next_step(package: str) -> None:
    faults: Mapping[str, FaultKind] = import_module(f"{package}.faults").FAULTS
    texts = read_texts(files(package).joinpath("locale"), "ja")
    for code, kind in faults.items():
        assert {f"fault.{code}", f"fault.{code}.next"} <= texts.keys()
        assert 400 <= kind.status < 500 or kind.status == 503
    told = {key.removeprefix("fault.").removesuffix(".next") for key in texts if key.startswith("fault.")}
    assert told == faults.keys()


def test_no_key_is_used_that_no_catalogue_has_and_none_is_left_over() -> None:
    known = set(load_catalogue(PACKAGES).texts["ja"])
    sources = [
        path.read_text("utf-8")
        for package in PACKAGES
        for path in (ROOT / package.replace(".", "/")).rglob("*")
        if path.suffix in {".py", ".html"}
    ]
    text = "\n".join(sources)
    called = set(
        re.findall(r"""\bt(?:ext)?\((?:\s*[\w.]+(?:\([\w]*\))?,)?\s*["']([\w.]+)["']\s*[,)]""", text)
    )
    assert not called - known
    used = {key for key in known if f'"{key}"' in text or f"'{key}'" in text}
    built = tuple(re.findall(r"""f?["'](\w+\.(?:\w+\.)*)(?:\{|["'] ?[~+])""", text))
    assert not {key for key in known - used if not key.startswith(("fault.", *built))}


def test_the_bridge_speaks_six_languages() -> None:
    assert list(load_catalogue(["card"]).texts) == list(LANGUAGES)


@pytest.mark.parametrize(
    ("locale", "reads"), [("ja", "ja"), ("ja-x-easy", "ja"), ("zh-Hans", "ja"), ("ko", "en"), ("vi", "en")]
)
def test_what_is_told_in_two_languages_is_read_in_the_closer_one(locale: str, reads: str) -> None:
    assert closest(locale, {"ja": "渋谷区", "en": "Shibuya City"}) == reads
    assert closest(locale, {"pt": "Shibuya"}) == "pt"
