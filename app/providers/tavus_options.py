"""The options of a Tavus video, from https://docs.tavus.io/api-reference/video-request/create-video."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from app.field_errors import WEB_URL, RuleError

from .options import Options, ProviderOptions

# What the arguments of create_video say, what would speak instead of the script, and where Tavus would report to
# instead of to us. A face is the newer name of a replica.
RESERVED: Final = frozenset(
    {"replica_id", "face_id", "script", "audio_url", "audio_file", "video_name", "callback_url"}
)

Link = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=WEB_URL)]


class TavusProperties(Options):
    """How the page at background_url scrolls, and whether the replica waves."""

    background_scroll: bool | None = None
    background_scroll_type: Literal["human", "smooth"] | None = None
    background_scroll_depth: Literal["middle", "bottom"] | None = None
    background_scroll_return: Literal["return", "halt"] | None = None
    start_with_wave: bool | None = Field(default=None, description="Some stock replicas only")

    @property
    def scrolls(self) -> bool:
        return any(
            value is not None
            for value in (
                self.background_scroll,
                self.background_scroll_type,
                self.background_scroll_depth,
                self.background_scroll_return,
            )
        )


class TavusOptions(ProviderOptions):
    """Options of a Tavus video. What is left out is Tavus's default."""

    reserved = RESERVED

    background_url: Link | None = Field(default=None, description="A public web page, which is recorded")
    background_source_url: Link | None = Field(default=None, description="A video that can be downloaded")
    fast: bool | None = Field(default=None, description="Quicker, without background and thumbnails")
    transparent_background: bool | None = Field(default=None, description="A webm; only with fast")
    watermark_image_url: Link | None = Field(default=None, description="A PNG or JPEG")
    properties: TavusProperties | None = None

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.transparent_background and not self.fast:
            raise RuleError("must set `fast` to use `transparent_background`")
        if self.fast and (self.background_url or self.background_source_url):
            raise RuleError("cannot combine `fast` with `background_url` or `background_source_url`")
        if self.properties and self.properties.scrolls and not self.background_url:
            raise RuleError("must set `background_url` to use the scroll options in `properties`")
        return self
