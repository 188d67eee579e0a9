"""Request and response bodies of n8n's workflows."""

import ipaddress
import json
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    model_validator,
)

from app.field_errors import URL_CHARACTERS, RuleError
from app.schemas import Body, ProviderConfig, ProviderId, ShortText
from app.videos.state import Report

_MAX_ERROR = 2000


def _to_text(value: object) -> object:
    """Convert a number to text: `$execution.id` is a text, but an expression may send it as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _truncate(value: object) -> object:
    """Truncate a long reason and replace what PostgreSQL cannot store, so that no report is lost."""
    if isinstance(value, dict | list):  # n8n's $json.error is often an object
        value = json.dumps(value)
    if not isinstance(value, str):
        return value
    return value[:_MAX_ERROR].replace("\x00", "").encode(errors="replace").decode()


def _check_video_url(value: str) -> str:
    """Accept https, and http on loopback for the sandbox."""
    parts = urlsplit(value)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return value
    if parts.scheme == "http" and (host == "localhost" or _is_loopback(host)):
        return value
    raise RuleError("must be an https:// URL")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


ExecutionId = Annotated[ShortText, BeforeValidator(_to_text), Field(description="n8n's $execution.id")]
VideoUrl = Annotated[
    str, StringConstraints(max_length=4096, pattern=URL_CHARACTERS), AfterValidator(_check_video_url)
]


class CredentialsRequest(Body):
    """Requests the key. With `generation_id`, it also claims that generation for this execution."""

    business_id: UUID
    generation_id: UUID | None = None
    execution_id: ExecutionId | None = None


class Credentials(BaseModel):
    """The values that a workflow needs to call the provider itself."""

    business_id: UUID
    provider: str
    api_key: str = Field(repr=False)
    avatar_id: str | None
    voice_id: str | None
    provider_config: dict[str, Any]


class StatusReport(Body):
    """A workflow's report on a generation."""

    generation_id: UUID | None = None
    content_id: UUID | None = Field(
        default=None,
        description="For a workflow without a generation_id. Ignored if generation_id is present",
    )
    execution_id: ExecutionId | None = None
    status: Literal["processing", "completed", "failed"]
    video_id: ProviderId | None = None
    video_url: VideoUrl | None = None
    error: Annotated[str | None, BeforeValidator(_truncate)] = None

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.generation_id is None and self.content_id is None:
            raise RuleError("must have `generation_id`, or `content_id` from a workflow without one")
        if self.status == "completed" and self.video_url is None:
            raise RuleError("must have `video_url` when `status` is `completed`")
        return self

    def report(self) -> Report:
        """Return the report in the form that the repository takes."""
        error = (self.error or "The workflow failed and gave no reason.") if self.status == "failed" else None
        return Report(self.status, self.video_id, self.video_url, error, self.execution_id)


class BrokerRequest(Body):
    """Asks the service to request a generation's video from the provider."""

    generation_id: UUID
    execution_id: ExecutionId | None = None
    title: ShortText | None = None
    provider_options: ProviderConfig | None = Field(
        default=None,
        description="Options of the provider, such as resolution and aspect_ratio. They override provider_config",
    )
