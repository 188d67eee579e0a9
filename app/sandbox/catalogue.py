"""The avatars and voices of the stand-in HeyGen: twelve public ones of each, and those that every account owns."""

from dataclasses import dataclass

from .portraits import Colours


@dataclass(frozen=True, slots=True)
class Person:
    """`status` and `error` are set for private avatars only, as HeyGen does."""

    id: str
    name: str
    gender: str
    colours: Colours
    voice_id: str
    status: str | None = None
    error: str | None = None

    @property
    def is_private(self) -> bool:
        return self.status is not None


@dataclass(frozen=True, slots=True)
class Speaker:
    id: str
    name: str
    gender: str
    language: str
    pitch: float
    is_private: bool = False


_DUSK, _SEA, _LEAF, _PEACH = (
    ("#4458d6", "#a04fd0"),
    ("#1f7a8c", "#7cc6d6"),
    ("#2f6b4f", "#a8c686"),
    ("#f3b27a", "#d8667a"),
)
_PEOPLE = (
    ("ada", "Ada in the studio", "female", _DUSK, "#e8b48e", "#3b2a20", "#1f2a52"),
    ("bruno", "Bruno at the desk", "male", _PEACH, "#8d5a3b", "#1a1413", "#f4efe6"),
    ("chen", "Chen on stage", "male", _SEA, "#f0c9a0", "#15110f", "#2d3a4a"),
    ("dalia", "Dalia outdoors", "female", _LEAF, "#c68a5e", "#20140e", "#b5413a"),
    ("edith", "Edith in the library", "female", _PEACH, "#f4d3bd", "#a9a9ad", "#4b3b67"),
    ("farid", "Farid in the workshop", "male", _SEA, "#c99268", "#1d1815", "#d98e32"),
    ("grace", "Grace in the newsroom", "female", _DUSK, "#5e3b28", "#120d0b", "#e7dcc8"),
    ("hugo", "Hugo by the window", "male", _LEAF, "#f1c4a6", "#b5622d", "#33475b"),
    ("imani", "Imani at the whiteboard", "female", _SEA, "#7a4a30", "#1b1210", "#f2c14e"),
    ("jonas", "Jonas in the kitchen", "male", _DUSK, "#efc2a2", "#d9b36a", "#7a2e2e"),
    ("keiko", "Keiko in the garden", "female", _LEAF, "#f3d0a9", "#1c1716", "#f6f1ea"),
    ("liam", "Liam on the terrace", "male", _PEACH, "#eab795", "#5a3a22", "#23504a"),
)
_SPEAKERS = (
    ("clara", "Clara", "female", "English", 210.0),
    ("dylan", "Dylan", "male", "English", 118.0),
    ("erin", "Erin", "female", "English", 196.0),
    ("finn", "Finn", "male", "English", 131.0),
    ("gisela", "Gisela", "female", "German", 204.0),
    ("hans", "Hans", "male", "German", 110.0),
    ("ines", "Inés", "female", "Spanish", 220.0),
    ("javier", "Javier", "male", "Spanish", 123.0),
    ("lea", "Léa", "female", "French", 233.0),
    ("mathieu", "Mathieu", "male", "French", 127.0),
    ("naoko", "Naoko", "female", "Japanese", 247.0),
    ("omar", "Omar", "male", "Arabic", 116.0),
)

_OWN_SPEAKERS = (Speaker("sandbox-voice-own", "My own voice", "female", "English", 225.0, is_private=True),)
_OWN_COLOURS = Colours(_SEA, "#d9a27c", "#2b1d16", "#3d5a80")
_OWN_PEOPLE = tuple(
    Person(f"sandbox-{key}", name, "female", _OWN_COLOURS, "sandbox-voice-own", status, error)
    for key, name, status, error in (
        ("own", "My own avatar", "completed", None),
        ("own-processing", "My own avatar, in the making", "processing", None),
        ("own-consent", "My colleague", "pending_consent", None),
        ("own-failed", "My own avatar, blurred", "failed", "The video is too dark."),
    )
)
_PUBLIC_SPEAKERS = tuple(
    Speaker(f"sandbox-voice-{key}", name, gender, language, pitch)
    for key, name, gender, language, pitch in _SPEAKERS
)
_PUBLIC_PEOPLE = tuple(
    Person(f"sandbox-{key}", name, gender, Colours(backdrop, skin, hair, clothes), speaker.id)
    for (key, name, gender, backdrop, skin, hair, clothes), speaker in zip(
        _PEOPLE, _PUBLIC_SPEAKERS, strict=True
    )
)

SPEAKERS = {speaker.id: speaker for speaker in _OWN_SPEAKERS + _PUBLIC_SPEAKERS}
PEOPLE = {person.id: person for person in _OWN_PEOPLE + _PUBLIC_PEOPLE}
