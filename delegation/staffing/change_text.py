"""What two staff sign: a change as a structure, and the one text that it renders to. Pure."""

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from card.container import refuse_controls
from card.dates import date_text
from card.faults import Fault
from card.jose.compact import encode_json

_TEMPLATE: Final = "dairi.change.v1"
_SHOWN_OF_HASH: Final = 16

_ROLES: Final[Mapping[str, Mapping[str, str]]] = {
    "ja": {"staff": "職員", "admin": "管理者", "auditor": "監査担当"},
    "en": {"staff": "staff", "admin": "administrator", "auditor": "auditor"},
}
_CAUSES: Final[Mapping[str, Mapping[str, str]]] = {
    "ja": {
        "admin": "管理者による停止",
        "staff_review": "職員による確認のための停止",
        "card_lost": "カードの紛失",
    },
    "en": {
        "admin": "placed by an administrator",
        "staff_review": "a review by staff",
        "card_lost": "lost card",
    },
}
_TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "ja": {
        "lift_hold": (
            "わたしは、{ward}の管理者として、次の停止を解除することを承認します。\n\n"
            "停止されている人：{name}、{birth}生まれ\n"
            "停止の種類：{cause}\n"
            "停止した日：{placed}\n\n"
        ),
        "lift_grant_hold": (
            "わたしは、{ward}の管理者として、次の委任の停止を解除することを承認します。\n\n"
            "お願いした人：{name}、{birth}生まれ\n"
            "委任状の日：{signed}\n"
            "停止の種類：{cause}\n"
            "停止した日：{placed}\n\n"
        ),
        "give_role": (
            "わたしは、{ward}の管理者として、次の役割を与えることを承認します。\n\n"
            "役割を受ける人：{name}、{birth}生まれ\n"
            "役割：{role}\n"
            "最後の日：{last}\n\n"
        ),
        "end_role": (
            "わたしは、{ward}の管理者として、次の役割を終わらせることを承認します。\n\n"
            "役割を失う人：{name}、{birth}生まれ\n"
            "役割：{role}\n\n"
        ),
        "hash": "変更の照合番号：{hash}",
    },
    "en": {
        "lift_hold": (
            "As an administrator of {ward}, I approve lifting this hold.\n\n"
            "On: {name} (born {birth})\n"
            "Kind of hold: {cause}\n"
            "Placed on: {placed}\n\n"
        ),
        "lift_grant_hold": (
            "As an administrator of {ward}, I approve lifting the hold on this mandate.\n\n"
            "Given by: {name} (born {birth})\n"
            "Mandate of: {signed}\n"
            "Kind of hold: {cause}\n"
            "Placed on: {placed}\n\n"
        ),
        "give_role": (
            "As an administrator of {ward}, I approve giving this role.\n\n"
            "To: {name} (born {birth})\n"
            "Role: {role}\n"
            "Last day: {last}\n\n"
        ),
        "end_role": (
            "As an administrator of {ward}, I approve ending this role.\n\n"
            "Of: {name} (born {birth})\n"
            "Role: {role}\n\n"
        ),
        "hash": "Number of this change: {hash}",
    },
}


def template_of(locale: str) -> str:
    """Template id, version and language, as it stands in what is signed."""
    return f"{_TEMPLATE}.{locale}"


def hash_of(proposal: Mapping[str, Any]) -> str:
    """SHA-256 of a whole proposal: both signatures are over one and the same change."""
    return hashlib.sha256(encode_json(dict(proposal))).hexdigest()


def _day(content: Mapping[str, Any], name: str, locale: str) -> str:
    return date_text(date.fromisoformat(content[name]), locale) if name in content else ""


def render(content: Mapping[str, Any], template: str) -> str:
    """The text that a structure says.

    :raises Fault: `change.text` for an unknown template or a structure of another shape;
        `card.text_controls` for a name with characters that make a text look like another.
    """
    name, _, locale = template.rpartition(".")
    if name != _TEMPLATE or locale not in _TEXTS:
        raise Fault("change.text")
    try:
        text = (_TEXTS[locale][content["kind"]] + _TEXTS[locale]["hash"]).format(
            ward=content["ward"],
            name=content["person"]["name"],
            birth=_day(content["person"], "birth_date", locale),
            role=_ROLES[locale][content["role"]] if "role" in content else "",
            last=_day(content, "last", locale),
            cause=_CAUSES[locale][content["cause"]] if "cause" in content else "",
            placed=_day(content, "placed", locale),
            signed=_day(content, "signed", locale),
            hash=content["hash"][:_SHOWN_OF_HASH],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Fault("change.text") from error
    refuse_controls(text)
    return text


def check_signed(claims: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Whether what was signed says what it shows, and is the change that was read.

    :param expected: the structure as the registry has it now.
    :raises Fault: `change.text`.
    """
    content, template = claims.get("content"), claims.get("template")
    if not isinstance(content, Mapping) or not isinstance(template, str) or dict(content) != dict(expected):
        raise Fault("change.text")
    if claims.get("text") != render(content, template):
        raise Fault("change.text")
