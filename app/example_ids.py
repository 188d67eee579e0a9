"""The ids in the OpenAPI document's examples. `make run` creates them: *Try it out* works with what is prefilled."""

from typing import Final, NamedTuple

BUSINESS_ID: Final = "b0000000-0000-4000-8000-000000000002"
USER_ID: Final = "a0000000-0000-4000-8000-000000000002"
INTEGRATION_ID: Final = "e0000000-0000-4000-8000-000000000002"
EXECUTION_ID: Final = "1284"
AVATAR_ID: Final = "sandbox-ada"
VOICE_ID: Final = "sandbox-voice-clara"
VIDEO_ID: Final = "sandbox-video"


class Item(NamedTuple):
    """A content item, and its latest generation."""

    content_id: str
    generation_id: str


def _item(number: int) -> Item:
    return Item(f"c0000000-0000-4000-8000-{number:012}", f"d0000000-0000-4000-8000-{number:012}")


# Each operation that changes a generation has one of its own, so that their order does not matter.
COMPLETED: Final = _item(21)
NOT_STARTED: Final = _item(22)
TO_CANCEL: Final = _item(23)
FAILED: Final = _item(24)
TO_CLAIM: Final = _item(25)
TO_REPORT: Final = _item(26)
TO_CREATE: Final = _item(27)
