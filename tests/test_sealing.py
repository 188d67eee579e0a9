"""Sealing: what comes out is what went in, for that business and provider alone, with a key of the ring."""

import base64
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sealing import KeyRing, SealError, generate_key, is_sealed, sealing_key_id

RING = KeyRing({"new": b"n" * 32, "old": b"o" * 32})
BUSINESS = UUID(int=7)


@given(st.text(max_size=600), st.uuids(), st.text(max_size=20))
@settings(max_examples=100, deadline=None)
def test_what_was_sealed_opens(secret: str, business_id: UUID, provider: str) -> None:
    secret, provider = (text.encode(errors="replace").decode() for text in (secret, provider))
    sealed = RING.seal(secret, business_id, provider)
    assert is_sealed(sealed)
    assert sealing_key_id(sealed) == "new"
    assert RING.open(sealed, business_id, provider) == secret
    assert len(secret) < 4 or secret not in sealed


@given(st.binary(min_size=1, max_size=200), st.integers(min_value=0))
@settings(max_examples=100, deadline=None)
def test_any_changed_character_keeps_it_shut(secret: bytes, position: int) -> None:
    sealed = RING.seal(secret.hex(), BUSINESS, "heygen")
    head, _, body = sealed.rpartition(":")
    index = position % len(body)
    # The last character's low bits may be padding: change a high one.
    changed = body[:index] + ("A" if body[index] not in "ABCDEFGHIJKLMNOP" else "z") + body[index + 1 :]
    with pytest.raises(SealError) as caught:
        RING.open(f"{head}:{changed}", BUSINESS, "heygen")
    assert secret.hex() not in str(caught.value) or len(secret) < 2


def test_two_seals_of_one_secret_differ() -> None:
    assert len({RING.seal("key", BUSINESS, "heygen") for _ in range(50)}) == 50


@pytest.mark.parametrize(("business_id", "provider"), [(uuid4(), "heygen"), (BUSINESS, "other")])
def test_sealed_text_of_another_row_does_not_open(business_id: UUID, provider: str) -> None:
    sealed = RING.seal("key", BUSINESS, "heygen")
    with pytest.raises(SealError, match="for this business and provider"):
        RING.open(sealed, business_id, provider)


def test_older_keys_open_and_unknown_ones_are_named() -> None:
    old = KeyRing({"old": b"o" * 32})
    assert RING.open(old.seal("key", BUSINESS, "heygen"), BUSINESS, "heygen") == "key"
    with pytest.raises(SealError, match="no key with the id 'new'"):
        old.open(RING.seal("key", BUSINESS, "heygen"), BUSINESS, "heygen")


def test_key_of_the_right_id_and_other_bytes_does_not_open() -> None:
    with pytest.raises(SealError):
        KeyRing({"new": b"x" * 32}).open(RING.seal("key", BUSINESS, "heygen"), BUSINESS, "heygen")


@pytest.mark.parametrize(
    "text",
    ["sealed:v1:", "sealed:v1:new", "sealed:v1:new:", "sealed:v1:new:!", "sealed:v1:none:placeholder", ""],
)
def test_what_is_not_whole_does_not_open(text: str) -> None:
    with pytest.raises(SealError):
        RING.open(text, BUSINESS, "heygen")


def test_generated_keys_are_entries_that_parse_and_differ() -> None:
    first, second = generate_key(), generate_key()
    ring = KeyRing.parse(f"{first},{second}")
    assert ring.newest == first.partition(":")[0] != second.partition(":")[0]


def encoded(length: int) -> str:
    return base64.b64encode(b"k" * length).decode()


def test_ring_is_read_newest_first_with_spaces_and_url_safe_letters() -> None:
    url_safe = base64.urlsafe_b64encode(b"\xff" * 32).decode()
    assert KeyRing.parse(f" b:{encoded(32)} , a:{url_safe},").newest == "b"


@pytest.mark.parametrize(
    "text",
    ["", " , ", "canary", "a:", f":{encoded(32)}", f"a:{encoded(31)}", f"a:{encoded(33)}", "a:canary!",
     f"a b:{encoded(32)}", f"{'a' * 65}:{encoded(32)}", f"a:{encoded(32)},a:{encoded(32)}", f"a:{encoded(32)};b"],
)  # fmt: skip
def test_malformed_ring_says_its_form_and_no_key(text: str) -> None:
    with pytest.raises(ValueError, match="id:base64-of-32-bytes") as caught:
        KeyRing.parse(text)
    assert "canary" not in str(caught.value)
    assert encoded(32) not in str(caught.value)


def test_ring_shows_ids_and_no_key() -> None:
    assert repr(RING) == "KeyRing(new, old)"
