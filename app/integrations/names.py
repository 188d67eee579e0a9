"""Names and previews of the avatar and the voice that a business has chosen, to be stored with its integration."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from cachetools import TTLCache

from app.errors import ProviderError
from app.providers.base import Avatar, Provider, Voice

_MAX_SECONDS: Final = 3.0

_MAX_SEEN: Final = 20_000
_SEEN_SECONDS: Final = 3600

Kind = Literal["avatar", "voice"]
Chosen = Mapping[Kind, str]
"""Ids of an avatar and a voice, or of one of them."""


@dataclass(frozen=True, slots=True)
class Details:
    """What the catalogue says of an avatar and a voice, as it is stored; None where it is not known."""

    avatar: Mapping[str, str | None] | None = None
    voice: Mapping[str, str | None] | None = None

    @classmethod
    def of(cls, items: Iterable[Avatar | Voice]) -> "Details":
        """Return the details of at most one avatar and one voice."""
        found: dict[Kind, Mapping[str, str | None]] = {}
        for item in items:
            if isinstance(item, Avatar):
                found["avatar"] = {
                    "id": item.id,
                    "name": item.name,
                    "preview_image_url": item.preview_image_url,
                }
            else:
                found["voice"] = {
                    "id": item.id,
                    "name": item.name,
                    "preview_audio_url": item.preview_audio_url,
                }
        return cls(**found)


class SeenItems:
    """What this process has lately read of catalogues: people choose what they have just been shown."""

    def __init__(self) -> None:
        self._items: TTLCache[tuple[UUID, str, Kind, str], Avatar | Voice] = TTLCache(
            _MAX_SEEN, _SEEN_SECONDS
        )

    def add(self, business_id: UUID, provider: str, items: Iterable[Avatar | Voice]) -> None:
        """Remember items of the catalogue that this business sees."""
        for item in items:
            self._items[business_id, provider, _kind(item), item.id] = item

    def find(self, business_id: UUID, provider: str, chosen: Chosen) -> list[Avatar | Voice]:
        """Return those of the chosen items that have been seen."""
        found = (self._items.get((business_id, provider, kind, id_)) for kind, id_ in chosen.items())
        return [item for item in found if item is not None]


async def look_up(client: Provider, api_key: str, chosen: Chosen) -> list[Avatar | Voice]:
    """Ask the provider for the chosen items, for 3 seconds at most; return those that it shows in that time."""
    calls: dict[Kind, Callable[[str, str], Awaitable[Avatar | Voice]]] = {
        "avatar": client.get_avatar,
        "voice": client.get_voice,
    }

    async def ask(kind: Kind, id_: str) -> Avatar | Voice | None:
        try:
            async with asyncio.timeout(_MAX_SECONDS):
                return await calls[kind](api_key, id_)
        except (ProviderError, TimeoutError):
            return None  # a name is shown where it is known; nothing depends on it

    found = await asyncio.gather(*(ask(kind, id_) for kind, id_ in chosen.items()))
    return [item for item in found if item is not None]


def _kind(item: Avatar | Voice) -> Kind:
    return "avatar" if isinstance(item, Avatar) else "voice"
