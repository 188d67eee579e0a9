"""Sealing provider keys before they reach the database, and opening them for the provider's own use.

A sealed key is `sealed:v1:<key id>:<base64url of nonce and ciphertext>`: AES-256-GCM, bound to the business and
the provider, so that a sealed text copied into another business's row does not open there.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_PREFIX = "sealed:v1:"
_NONCE_BYTES = 12  # NIST SP 800-38D, 8.2: 96 bits
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class SealError(Exception):
    """A sealed text does not open: its key is not in the ring, or it belongs to another row. Holds no secret."""


class KeyRing:
    """The keys of `SECRETS_KEYS`, newest first: the first seals, each opens."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """`keys`: 32 bytes under each id; the first is the newest."""
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.newest = next(iter(keys))

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Reads `id:base64-of-32-bytes[,…]`. Raises ValueError that says the form and holds no key."""
        form = (
            "should be id:base64-of-32-bytes, comma-separated, newest first; `ai-avatar secrets generate-key`"
        )
        keys: dict[str, bytes] = {}
        for item in filter(None, (part.strip() for part in text.split(","))):
            key_id, _, encoded = item.partition(":")
            try:
                key = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
            except (binascii.Error, ValueError):
                raise ValueError(f"{form} makes one") from None
            if len(key) != 32 or not _KEY_ID.fullmatch(key_id):
                raise ValueError(f"{form} makes one")
            if key_id in keys:
                raise ValueError(f"has two keys with one id; {form} makes one")
            keys[key_id] = key
        if not keys:
            raise ValueError(f"is empty; {form} makes one")
        return cls(keys)

    def seal(self, secret: str, business_id: UUID, provider: str) -> str:
        """Seals with the newest key."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self.newest].encrypt(
            nonce, secret.encode(), _associated_data(business_id, provider)
        )
        encoded = base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()
        return f"{_PREFIX}{self.newest}:{encoded}"

    def open(self, sealed: str, business_id: UUID, provider: str) -> str:
        """Opens what `seal` made. Raises SealError."""
        key_id, _, encoded = sealed.removeprefix(_PREFIX).partition(":")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealError(f"SECRETS_KEYS has no key with the id {key_id[:64]!r}")
        try:
            data = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
            return cipher.decrypt(
                data[:_NONCE_BYTES], data[_NONCE_BYTES:], _associated_data(business_id, provider)
            ).decode()
        except (InvalidTag, ValueError):
            raise SealError(f"does not open with the key {key_id!r} for this business and provider") from None

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._ciphers)})"


def is_sealed(stored: str) -> bool:
    """Whether a stored text was sealed by the service, and is not a plain key in a real vault."""
    return stored.startswith(_PREFIX)


def sealing_key_id(sealed: str) -> str:
    """The id of the key that a text was sealed with."""
    return sealed.removeprefix(_PREFIX).partition(":")[0]


def generate_key() -> str:
    """A new entry for `SECRETS_KEYS`, with an id of its own."""
    return f"k{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _associated_data(business_id: UUID, provider: str) -> bytes:
    return f"{business_id}:{provider}".encode()
