"""base64 and JSON at the edge of what has one reading."""

import json

import pytest

from card.jose import Flattened, b64url_encode, strict_json
from card.jose.compact import encode_json

NOT_JSON = {
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a":1}'.encode("utf-16-le"),
    "UTF-32": '{"a":1}'.encode("utf-32"),
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "half a surrogate pair in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "half a surrogate pair, escaped": b'{"a":"\\ud800"}',
    "the other half": b'{"a":"\\udc00"}',
    "a pair the wrong way round": b'{"a":"\\udc00\\ud800"}',
    "half a pair in a name": b'{"\\ud800":1}',
    "half a pair deep inside": b'{"a":[{"b":["\\ud800"]}]}',
    "an overlong form": b'{"a":"\xc0\xaf"}',
    "a number that overflows": b'{"a":1e999}',
    "a number of five thousand digits": b'{"a":1' + b"0" * 5000 + b"}",
    "infinity": b'{"a":-Infinity}',
    "one name in two spellings": b'{"a":1,"\\u0061":2}',
    "a control character": b'{"a":"\n"}',
    "two objects": b"{}{}",
    "a comma too many": b'{"a":1,}',
    "a comment": b"{}//",
    "single quotes": b"{'a':1}",
    "a list": b"[]",
    "nothing": b"",
}


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON)
def test_rfc8259_8_1_what_has_more_than_one_reading_is_no_json(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        strict_json(text)
    try:
        read = text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return
    with pytest.raises(ValueError, match=r"."):
        strict_json(read)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a":"\\ud842\\udfb7\xe9\x87\x8e"}', "\U00020bb7野"),
        (b'{"a":"\\u0000"}', "\x00"),
        (b'{"a":1e308}', 1e308),
        (b'{"a":-0}', 0),
        (b' {"a" : "\\/" } ', "/"),
    ],
)
def test_rfc8259_what_is_read_can_be_written(text: bytes, value: object) -> None:
    read = strict_json(text)
    assert read == {"a": value} == strict_json(encode_json(read))


def test_rfc7515_4_a_header_in_utf_16_is_none() -> None:
    header = b64url_encode('{"alg":"RS256","typ":"dairi-login+jws"}'.encode("utf-16"))
    with pytest.raises(ValueError, match="utf-8"):
        Flattened(header, "e30", b"s", b"c").protected_header()


@pytest.mark.parametrize("leaf", ["Yx==", "Yw", "Yw=", "Yw===", "Y w==", "Yw==\n", "Yw\n==", "_-8=", "あ"])
def test_rfc7515_4_1_6_a_certificate_has_one_spelling(leaf: str) -> None:
    whole = json.loads(Flattened("e30", "e30", b"s", b"c").to_json())
    whole["header"] = {"x5c": [leaf]}
    with pytest.raises(ValueError, match=r"base64|ASCII"):
        Flattened.parse(json.dumps(whole))


@pytest.mark.parametrize("member", ["protected", "payload", "signature"])
@pytest.mark.parametrize("value", ["e31", "e30=", "e3", "e30\n", "e30.", "é30", "", None, 1, ["e30"]])
def test_rfc7515_7_2_2_a_member_has_one_spelling(member: str, value: object) -> None:
    whole = json.loads(Flattened("e30", "e30", b"{}", b"c").to_json())
    Flattened.parse(json.dumps(whole))
    with pytest.raises(ValueError, match=r"base64url|empty"):
        Flattened.parse(json.dumps(whole | {member: value}))
