"""Seal provider keys before they reach the database, and open them for calls to the provider.

A sealed key is `sealed:v1:<key id>:<base64url of nonce and ciphertext>`. It is encrypted with AES-256-GCM; business and
provider are the associated data, so a sealed key that is copied into another business's row does not open there.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.field_errors import RuleError

_PREFIX = "sealed:v1:"
_NONCE_BYTES = 12  # NIST SP 800-38D, 8.2: 96 bits
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class SealError(Exception):
    """A sealed key cannot be opened: the ring lacks its key, or it belongs to another row. Contains no secret."""


class KeyRing:
    """The keys of `SECRETS_KEYS`, newest first. The first one seals; all of them open."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Take 32-byte keys by id, newest first."""
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.newest = next(iter(keys))

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Parse `id:base64-of-32-bytes[,…]`.

        Raise RuleError with the expected format; the message contains no key.
        """
        form = (
            "must be id:base64-of-32-bytes, comma-separated; the first one seals; "
            "`ai-avatar secrets generate-key` prints an entry"
        )
        keys: dict[str, bytes] = {}
        for item in filter(None, (part.strip() for part in text.split(","))):
            key_id, _, encoded = item.partition(":")
            try:
                key = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
            except (binascii.Error, ValueError):
                raise RuleError(form) from None
            if len(key) != 32 or not _KEY_ID.fullmatch(key_id):
                raise RuleError(form)
            if not any(key):
                raise RuleError("has a key of zeros; `ai-avatar secrets generate-key` prints a random one")
            if key_id in keys:
                raise RuleError(f"has two keys with the same id; {form}")
            keys[key_id] = key
        if not keys:
            raise RuleError(f"is empty; {form}")
        return cls(keys)

    def seal(self, secret: str, business_id: UUID, provider: str) -> str:
        """Seal with the newest key."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self.newest].encrypt(
            nonce, secret.encode(), _associated_data(business_id, provider)
        )
        encoded = base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()
        return f"{_PREFIX}{self.newest}:{encoded}"

    def open(self, sealed: str, business_id: UUID, provider: str) -> str:
        """Open a sealed key. Raise SealError if that is not possible."""
        key_id, _, encoded = sealed.removeprefix(_PREFIX).partition(":")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealError(
                f"SECRETS_KEYS has no key with the id {key_id[:64]!r}: add that entry back, at the end"
            )
        try:
            data = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
            return cipher.decrypt(
                data[:_NONCE_BYTES], data[_NONCE_BYTES:], _associated_data(business_id, provider)
            ).decode()
        except (InvalidTag, ValueError):
            raise SealError(
                f"cannot be opened with the key {key_id!r} for this business and provider"
            ) from None

    def __contains__(self, key_id: str) -> bool:
        return key_id in self._ciphers

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._ciphers)})"


def is_sealed(stored: str) -> bool:
    """Tell a sealed key from a plain key in a real vault."""
    return stored.startswith(_PREFIX)


def sealing_key_id(sealed: str) -> str:
    """Return the id of the key that sealed this text."""
    return sealed.removeprefix(_PREFIX).partition(":")[0]


def generate_key() -> str:
    """Return a new entry for `SECRETS_KEYS`, with a random id."""
    return f"k{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _associated_data(business_id: UUID, provider: str) -> bytes:
    return f"{business_id}:{provider}".encode()
