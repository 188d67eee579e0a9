"""The options of a HeyGen video, from https://developers.heygen.com/reference/create-video (type `avatar`).

The ranges of voice_settings are in the descriptions of its fields there. Rules that depend on the avatar (which
engine it supports, whether it has a matte) are left to HeyGen.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from app.field_errors import COLOR, RuleError

from .options import Options, ProviderOptions

# What the arguments of create_video say, what would speak instead of the script, and where HeyGen would report to
# instead of to us.
RESERVED: Final = frozenset(
    {"type", "avatar_id", "script", "voice_id", "title", "image", "audio_url", "audio_asset_id"}
    | {"callback_url", "callback_id"}
)

Text = Annotated[str, StringConstraints(min_length=1, max_length=5000)]
Share = Annotated[float, Field(ge=0, le=1)]


class HeyGenBackground(Options):
    """A colour, or an image by `url` or `asset_id`."""

    type: Literal["color", "image"]
    value: Annotated[str, StringConstraints(pattern=COLOR)] | None = None
    url: Text | None = None
    asset_id: Text | None = None

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.type == "color" and self.value is None:
            raise RuleError("must have a `value`, such as `#ffffff`, when `type` is `color`")
        if self.type == "image" and (self.url is None) == (self.asset_id is None):
            raise RuleError("must have either `url` or `asset_id` when `type` is `image`")
        return self


class HeyGenCaption(Options):
    """Captions as a file. With a style, they are burned into a second video as well."""

    file_format: Literal["srt"] = "srt"
    style: Literal["default"] | None = None


class HeyGenEngine(Options):
    """The model that animates the avatar; HeyGen's default is avatar_iv."""

    type: Literal["avatar_iii", "avatar_iv", "avatar_v"]
    reference_look_id: Text | None = Field(default=None, description="Only with avatar_v")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.reference_look_id is not None and self.type != "avatar_v":
            raise RuleError("can have `reference_look_id` only when `type` is `avatar_v`")
        return self


class HeyGenElevenLabs(Options):
    """Settings of an ElevenLabs voice."""

    engine_type: Literal["elevenlabs"]
    model: Literal["eleven_multilingual_v2", "eleven_turbo_v2_5", "eleven_flash_v2_5", "eleven_v3"] | None = (
        None
    )
    stability: Share | None = None
    similarity_boost: Share | None = None
    style: Share | None = None
    use_speaker_boost: bool | None = None


class HeyGenFish(Options):
    """Settings of a Fish voice."""

    engine_type: Literal["fish"]
    model: Literal["s1", "s2-pro"] | None = None
    stability: float | None = None
    similarity: float | None = None


class HeyGenStarfish(Options):
    """A Starfish voice has no settings."""

    engine_type: Literal["starfish"]


EngineSettings = Annotated[HeyGenElevenLabs | HeyGenFish | HeyGenStarfish, Field(discriminator="engine_type")]


class HeyGenVoiceSettings(Options):
    """How the voice speaks."""

    speed: Annotated[float, Field(ge=0.5, le=1.5)] | None = None
    pitch: Annotated[float, Field(ge=-50, le=50)] | None = None
    volume: Share | None = None
    locale: Text | None = None
    engine_settings: EngineSettings | None = None


class HeyGenOptions(ProviderOptions):
    """Options of a HeyGen video. What is left out is HeyGen's default."""

    reserved = RESERVED

    resolution: Literal["720p", "1080p", "4k"] | None = None
    aspect_ratio: Literal["16:9", "9:16", "4:5", "5:4", "1:1", "auto"] | None = None
    fit: Literal["contain", "cover"] | None = None
    background: HeyGenBackground | None = Field(default=None, description="Not with output_format webm")
    remove_background: bool | None = None
    output_format: Literal["mp4", "webm"] | None = None
    caption: HeyGenCaption | None = None
    engine: HeyGenEngine | None = None
    motion_prompt: Text | None = Field(default=None, description="Not with the engine avatar_iii")
    expressiveness: Literal["high", "medium", "low"] | None = Field(
        default=None, description="Not with the engine avatar_v"
    )
    voice_settings: HeyGenVoiceSettings | None = None
    watermark: dict[str, JsonValue] | None = Field(default=None, description="Some Enterprise accounts only")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        engine = self.engine.type if self.engine else None
        if self.background is not None and self.output_format == "webm":
            raise RuleError("cannot combine `background` with the `output_format` `webm`")
        if self.motion_prompt is not None and engine == "avatar_iii":
            raise RuleError("cannot combine `motion_prompt` with the engine `avatar_iii`")
        if self.expressiveness is not None and engine == "avatar_v":
            raise RuleError("cannot combine `expressiveness` with the engine `avatar_v`")
        return self
