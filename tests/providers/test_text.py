"""Text that came from a provider."""

import pytest

from app.providers.text import sanitize, web_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the key sk-1 is bad", "the key [redacted] is bad"),
        ("sk-\x001", "[redacted]"),
        ("x" * 18 + "sk-1", "x" * 18 + "[…"),
        ("a\r\n\tb\u2028c", "a   b c"),
        ("\u202egnp.exe", "gnp.exe"),
        ("half \ud800 a pair", "half  a pair"),
        ("family 👨‍👩‍👧 stays", "family 👨‍👩‍👧 stays"),
        ("", ""),
    ],
)
def test_plain_text_is_one_line_without_the_secret_and_not_too_long(text: str, expected: str) -> None:
    assert sanitize(text, limit=20 if text.startswith("x") else 60, secret="sk-1") == expected


@pytest.mark.parametrize(
    "url", ["https://files.heygen.ai/v.mp4?Expires=1&Signature=a%2Fb~_", "http://127.0.0.1:8001/media/v.mp4"]
)
def test_a_web_url_is_kept(url: str) -> None:
    assert web_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//host/x",
        "/x",
        "https://",
        "https://[bad",
        "https://host/\nx",
        "https://host/" + "x" * 5000,
        "",
    ],
)
def test_any_other_url_is_dropped(url: str) -> None:
    assert web_url(url) is None
