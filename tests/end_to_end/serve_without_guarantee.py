"""`ai-avatar` with a HeyGen that does not document idempotent creates, as other providers do not."""

from dataclasses import replace

from app.cli import main
from app.providers import PROVIDERS

PROVIDERS["heygen"] = replace(PROVIDERS["heygen"], idempotent_create=None)
main()
