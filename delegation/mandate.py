"""What a principal signs: a structure, and the one text that it renders to. Pure.

The text is made from the structure alone, by a template with an id, a version and a language, and rendered
again at signing, at activation and at every later verification: a text that says more or less than its
structure never counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from assurance.procedures import Procedures
from card.container import refuse_controls
from card.dates import date_text
from card.faults import Fault
from delegation.grant import Terms

_TEMPLATE: Final = "dairi.mandate.v1"
_OFFICE_TEMPLATE: Final = "dairi.mandate.office.v1"

_ACTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "ja": {"view": "内容を見る", "draft": "下書きを作る", "file": "申請する", "receive": "結果を受け取る"},
    "en": {"view": "see it", "draft": "draft it", "file": "file it", "receive": "receive the result"},
}
_TEXTS: Final[Mapping[str, str]] = {
    "ja": (
        "わたし、{principal}は、{delegate}さんが、わたしの代わりに{ward}で次の手続きをすることを認めます。\n\n"
        "{procedures}\n\n"
        "してよいこと：{actions}\n"
        "期間：{first}から{last}まで\n\n"
        "わたしは、いつでもこの委任を終わらせることができます。"
    ),
    "en": (
        "I, {principal}, allow {delegate} to do the following for me at {ward}.\n\n"
        "{procedures}\n\n"
        "They may: {actions}\n"
        "From {first} to {last}\n\n"
        "I can end this at any time."
    ),
}
_OFFICE_TEXTS: Final[Mapping[str, str]] = {
    "ja": (
        "わたし、{principal}は、{office}（事業所番号 {number}）が、わたしの代わりに{ward}で"
        "次の手続きをすることを認めます。\n\n"
        "担当者：{delegate}\n"
        "事業所は、わたしに前もって知らせたうえで、ほかの職員を担当者にすることができます。"
        "わたしは、それを断ることができます。\n\n"
        "{procedures}\n\n"
        "してよいこと：{actions}\n"
        "期間：{first}から{last}まで\n\n"
        "わたしは、いつでもこの委任を終わらせることができます。"
    ),
    "en": (
        "I, {principal}, allow {office} (office number {number}) to do the following for me at {ward}.\n\n"
        "{delegate} does this for the office.\n"
        "The office may name another of its staff after telling me. I can refuse.\n\n"
        "{procedures}\n\n"
        "They may: {actions}\n"
        "From {first} to {last}\n\n"
        "I can end this at any time."
    ),
}
_TEMPLATES: Final[Mapping[str, Mapping[str, str]]] = {_TEMPLATE: _TEXTS, _OFFICE_TEMPLATE: _OFFICE_TEXTS}


@dataclass(frozen=True, slots=True)
class NamedOffice:
    """The office that a mandate names, as it is registered."""

    name: str
    number: str


def template_of(locale: str, *, office: bool = False) -> str:
    """Template id, version and language, as it stands in what is signed."""
    return f"{_OFFICE_TEMPLATE if office else _TEMPLATE}.{locale}"


def content_of(
    terms: Terms,
    procedures: Procedures,
    *,
    ward: str,
    locale: str,
    grant: tuple[str, int],
    principal: str,
    delegate: str,
    commitment: str,
    office: NamedOffice | None = None,
) -> dict[str, Any]:
    """The structure of a mandate.

    :param grant: id and version of the grant that it is for.
    :param principal: proven name, as `delegate`.
    :param office: for which the delegate acts.
    """
    named = {} if office is None else {"office": {"name": office.name, "number": office.number}}
    return {
        "ward": ward,
        "grant": {"id": grant[0], "version": grant[1]},
        "principal": {"name": principal},
        "delegate": {"name": delegate, "commitment": commitment},
        "basis": str(terms.basis),
        "mode": terms.mode,
        "procedures": [{"id": id_, "name": procedures.by_id[id_].name[locale]} for id_ in terms.procedures],
        "procedures_version": terms.procedures_version,
        "actions": [str(action) for action in terms.actions],
        "first": terms.first.isoformat(),
        "last": terms.last.isoformat(),
        **named,
    }


def render(content: Mapping[str, Any], template: str) -> str:
    """The text that a structure says.

    :raises Fault: `mandate.text` for an unknown template or a structure of another shape;
        `card.text_controls` for a name with characters that make a text look like another.
    """
    name, _, locale = template.rpartition(".")
    if (
        name not in _TEMPLATES
        or locale not in _TEMPLATES[name]
        or (name == _OFFICE_TEMPLATE) != ("office" in content)
    ):
        raise Fault("mandate.text")
    try:
        office = content["office"] if name == _OFFICE_TEMPLATE else {"name": "", "number": ""}
        text = _TEMPLATES[name][locale].format(
            office=office["name"],
            number=office["number"],
            principal=content["principal"]["name"],
            delegate=content["delegate"]["name"],
            ward=content["ward"],
            procedures="\n".join(f"・{entry['name']}" for entry in content["procedures"]),
            actions=("、" if locale == "ja" else ", ").join(
                _ACTIONS[locale][action] for action in content["actions"]
            ),
            first=date_text(date.fromisoformat(content["first"]), locale),
            last=date_text(date.fromisoformat(content["last"]), locale),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Fault("mandate.text") from error
    refuse_controls(text)
    return text


def check_signed(claims: Mapping[str, Any], expected: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """Whether what was signed says what it shows, and what was asked.

    :param expected: the structure as the registry has it now; None where only the mandate itself is judged.
    :returns: the structure.
    :raises Fault: `mandate.text`.
    """
    content, template = claims.get("content"), claims.get("template")
    if not isinstance(content, Mapping) or not isinstance(template, str):
        raise Fault("mandate.text")
    if claims.get("text") != render(content, template):
        raise Fault("mandate.text")
    if expected is not None and dict(content) != dict(expected):
        raise Fault("mandate.text")
    return content
