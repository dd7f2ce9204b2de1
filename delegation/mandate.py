"""What a principal signs: a structure, and the one text that it renders to. Pure.

The text is made from the structure alone, by a template with an id, a version and a language, and rendered
again at signing, at activation and at every later verification: a text that says more or less than its
structure never counts.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from assurance.procedures import Procedures
from card.container import refuse_controls
from card.dates import date_text
from card.faults import Fault
from delegation.grant import Terms

_TEMPLATE: Final = "dairi.mandate.v1"

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


def template_of(locale: str) -> str:
    """Template id, version and language, as it stands in what is signed."""
    return f"{_TEMPLATE}.{locale}"


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
) -> dict[str, Any]:
    """The structure of a mandate.

    :param grant: id and version of the grant that it is for.
    :param principal: proven name, as `delegate`.
    """
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
    }


def render(content: Mapping[str, Any], template: str) -> str:
    """The text that a structure says.

    :raises Fault: `mandate.text` for an unknown template or a structure of another shape;
        `card.text_controls` for a name with characters that make a text look like another.
    """
    name, _, locale = template.rpartition(".")
    if name != _TEMPLATE or locale not in _TEXTS:
        raise Fault("mandate.text")
    try:
        text = _TEXTS[locale].format(
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
