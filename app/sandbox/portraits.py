"""Generate the stand-in HeyGen's preview pictures and sounds from a few colours and tones."""

import array
import io
import math
import wave
from dataclasses import dataclass

SAMPLES_PER_SECOND = 8000


@dataclass(frozen=True, slots=True)
class Colours:
    backdrop: tuple[str, str]
    skin: str
    hair: str
    clothes: str


def portrait_svg(colours: Colours, *, long_hair: bool) -> str:
    """Draw a person from the chest up, 320 by 320."""
    hair, skin = f'fill="{colours.hair}"', f'fill="{colours.skin}"'
    long = f'<path d="M94 128q0-84 66-84t66 84v92h-132z" {hair}/>' if long_hair else ""
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="320" height="320">
<defs><linearGradient id="b" x2="1" y2="1"><stop stop-color="{colours.backdrop[0]}"/>
<stop offset="1" stop-color="{colours.backdrop[1]}"/></linearGradient></defs>
<rect width="320" height="320" fill="url(#b)"/>
<circle cx="234" cy="84" r="96" fill="#fff" opacity=".08"/>
{long}
<path d="M48 320q4-92 84-98h56q80 6 84 98z" fill="{colours.clothes}"/>
<path d="M136 190h48v36q-24 30-48 0z" {skin}/>
<path d="M136 206q24 18 48 0v12q-24 18-48 0z" opacity=".12"/>
<ellipse cx="160" cy="138" rx="54" ry="66" {skin}/>
<path d="M104 134q-6-76 56-78t56 78q-12-38-40-44-44 14-72 44z" {hair}/>
<path d="M128 124q10-7 20 0M172 124q10-7 20 0" stroke="{colours.hair}" stroke-width="3.5" fill="none"/>
<circle cx="138" cy="138" r="4.6" fill="#2b2320"/><circle cx="182" cy="138" r="4.6" fill="#2b2320"/>
<path d="M160 142q-6 14 1 17" stroke="#000" stroke-opacity=".22" stroke-width="2.5" fill="none"/>
<ellipse cx="160" cy="176" rx="15" ry="3" fill="#8c3b3b"/>
</svg>"""


def voice_wav(pitch: float) -> bytes:
    """Hum three syllables at `pitch` hertz: under a second, 8-bit mono WAV."""
    samples = array.array("B")
    for syllable in (1.0, 1.19, 0.94):
        length = SAMPLES_PER_SECOND // 4
        for n in range(length):
            t = n / SAMPLES_PER_SECOND
            swell = math.sin(math.pi * n / length) ** 2
            tone = sum(math.sin(2 * math.pi * pitch * syllable * k * t) / k for k in (1, 2, 3))
            samples.append(128 + round(50 * swell * tone))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(SAMPLES_PER_SECOND)
        out.writeframes(samples.tobytes())
    return file.getvalue()
