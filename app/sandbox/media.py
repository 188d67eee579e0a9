"""The files that the stand-in HeyGen links to: public pictures and sounds; videos and subtitles by expiring links."""

import hashlib
import hmac
import secrets
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from .catalogue import PEOPLE, SPEAKERS
from .portraits import portrait_svg, voice_wav

# Four seconds of a talking portrait from portraits.py, encoded by ffmpeg as H.264 and AAC.
VIDEO_FILE = Path(__file__).parent / "files" / "video.mp4"
VIDEO_SECONDS = 4.0
SUBTITLES = "1\n00:00:00,000 --> 00:00:04,000\nHello from the sandbox.\n"

# The settings page, which has another origin, shows these files in <img>, <audio> and <video>.
HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


class Media:
    """Creates links and serves the files. `url` is the public address at which `app` is mounted.

    Links to videos last 7 days, as those of providers do.
    """

    def __init__(self, url: str, *, link_seconds: float = 7 * 86_400.0, secret: str | None = None) -> None:
        """`secret` signs the links, which are lost with the object if it is None."""
        self.url = url.rstrip("/")
        self._link_seconds = link_seconds
        self._secret = secret.encode() if secret else secrets.token_bytes(32)
        self.app = Starlette(
            routes=[
                Route("/avatars/{avatar_id}.svg", self._picture),
                Route("/avatars/{avatar_id}.mp4", self._preview),
                Route("/voices/{voice_id}.wav", self._sound),
                Route("/videos/{name}", self._video_file),
            ]
        )

    def picture_url(self, avatar_id: str) -> str:
        return f"{self.url}/avatars/{avatar_id}.svg"

    def preview_url(self, avatar_id: str) -> str:
        return f"{self.url}/avatars/{avatar_id}.mp4"

    def sound_url(self, voice_id: str) -> str:
        return f"{self.url}/voices/{voice_id}.wav"

    def video_url(self, video_id: str) -> str:
        return self._signed_url(f"{video_id}.mp4")

    def captioned_video_url(self, video_id: str) -> str:
        return self._signed_url(f"{video_id}.captioned.mp4")

    def subtitle_url(self, video_id: str) -> str:
        return self._signed_url(f"{video_id}.srt")

    def _signed_url(self, name: str) -> str:
        """Return a signed link that is valid for `link_seconds`."""
        expires = str(int(time.time() + self._link_seconds))
        return f"{self.url}/videos/{name}?Expires={expires}&Signature={self._signature(name, expires)}"

    def _signature(self, name: str, expires: str) -> str:
        return hmac.digest(self._secret, f"{name}.{expires}".encode(), hashlib.sha256).hex()

    async def _picture(self, request: Request) -> Response:
        person = PEOPLE.get(request.path_params["avatar_id"])
        if person is None:
            return PlainTextResponse("Picture not found", 404, headers=HEADERS)
        picture = portrait_svg(person.colours, long_hair=person.gender == "female")
        return Response(picture, headers=HEADERS, media_type="image/svg+xml")

    async def _preview(self, request: Request) -> Response:
        if request.path_params["avatar_id"] not in PEOPLE:
            return PlainTextResponse("Video not found", 404, headers=HEADERS)
        return FileResponse(VIDEO_FILE, headers=HEADERS, media_type="video/mp4")

    async def _sound(self, request: Request) -> Response:
        speaker = SPEAKERS.get(request.path_params["voice_id"])
        if speaker is None:
            return PlainTextResponse("Sound not found", 404, headers=HEADERS)
        return Response(voice_wav(speaker.pitch), headers=HEADERS, media_type="audio/wav")

    async def _video_file(self, request: Request) -> Response:
        name, expires = request.path_params["name"], request.query_params.get("Expires", "")
        signature = self._signature(name, expires)
        if not hmac.compare_digest(signature.encode(), request.query_params.get("Signature", "").encode()):
            return PlainTextResponse("AccessDenied", 403, headers=HEADERS)
        if int(expires) < time.time():
            return PlainTextResponse("Request has expired", 403, headers=HEADERS)
        if name.endswith(".srt"):
            return PlainTextResponse(SUBTITLES, headers=HEADERS, media_type="application/x-subrip")
        return FileResponse(VIDEO_FILE, headers=HEADERS, media_type="video/mp4")
