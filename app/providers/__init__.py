"""The registry of providers: the one place that knows which there are."""

from .base import ProviderSpec
from .heygen import HEYGEN
from .tavus import TAVUS

PROVIDERS: dict[str, ProviderSpec] = {HEYGEN.name: HEYGEN, TAVUS.name: TAVUS}
