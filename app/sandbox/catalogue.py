"""The avatars and voices of the stand-in HeyGen: twelve of each."""

from dataclasses import dataclass

from .portraits import Colours


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str
    gender: str
    colours: Colours
    voice_id: str


@dataclass(frozen=True, slots=True)
class Speaker:
    id: str
    name: str
    gender: str
    language: str
    pitch: float


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

SPEAKERS = {
    speaker.id: speaker
    for speaker in (
        Speaker(f"sandbox-voice-{key}", name, gender, language, pitch)
        for key, name, gender, language, pitch in _SPEAKERS
    )
}
PEOPLE = {
    person.id: person
    for person in (
        Person(f"sandbox-{key}", name, gender, Colours(backdrop, skin, hair, clothes), voice_id)
        for (key, name, gender, backdrop, skin, hair, clothes), voice_id in zip(
            _PEOPLE, SPEAKERS, strict=True
        )
    )
}
