"""The registry of providers: the one place that knows which there are."""

from .base import ProviderSpec
from .heygen import HEYGEN

PROVIDERS: dict[str, ProviderSpec] = {HEYGEN.name: HEYGEN}
