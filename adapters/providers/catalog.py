"""Finds the adapter that serves a model by the prefix of the model's name."""

from __future__ import annotations

from pydantic import Field, SecretStr

from tether.adapters.providers.endpoint import ANTHROPIC, OPENAI, Endpoint, Timeouts
from tether.adapters.providers.lazy import LazyProvider
from tether.errors import ErrorKind, ProviderError
from tether.provider import Provider, Providers
from tether.text import one_line
from tether.value import Value

KNOWN = ("openai", "openai-chat", "anthropic")


class ProviderSettings(Value):
    """Keys, addresses and timeouts of the providers.

    Attributes:
        openai_api_key: Key for `openai:` and `openai-chat:` models.
        openai_base_url: Another address that speaks OpenAI's protocols; None for OpenAI's own.
        anthropic_api_key: Key for `anthropic:` models.
        anthropic_base_url: Another address that speaks Anthropic's protocol; None for Anthropic's own.
        connect_timeout: Seconds until connected.
        first_token_timeout: Seconds until the reply's first token, and for which a model may reason in silence.
        idle_timeout: Seconds between bytes of a reply after its first token.
    """

    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    anthropic_api_key: SecretStr | None = None
    anthropic_base_url: str | None = None
    connect_timeout: float = Field(default=10, gt=0)
    first_token_timeout: float = Field(default=120, gt=0)
    idle_timeout: float = Field(default=60, gt=0)


class ProviderCatalog(Providers):
    """Maps `openai:NAME` to the Responses API, `openai-chat:NAME` to Chat Completions, `anthropic:NAME` to Messages.

    One adapter a provider; it is loaded, with its vendor's SDK, by the first call, and keeps its connections until
    `close`. Nothing here reads the environment; OpenAI's SDK itself reads its organisation and project there.
    """

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._opened: dict[str, LazyProvider] = {}

    def of(self, model: str) -> Provider:
        """The adapter that serves `provider:model`.

        Raises:
            ProviderError: `configuration`: unknown provider, no model named, or no key for the provider.
        """
        name, separator, served = model.partition(":")
        if not separator or not served or name not in KNOWN:
            raise ProviderError(
                ErrorKind.CONFIGURATION,
                f"{one_line(model)!r} names no model that can be called: write it like "
                + " or ".join(f"'{known}:MODEL'" for known in KNOWN),
            )
        if name not in self._opened:
            self._opened[name] = self._open(name)
        return self._opened[name]

    async def load(self, model: str) -> None:
        """Load what serves a model, so that the first call needn't wait for it.

        Raises:
            ProviderError: `configuration`, as for `of`.
        """
        self.of(model)
        await self._opened[model.partition(":")[0]].loaded()

    async def close(self) -> None:
        """Close the connections of all adapters."""
        opened, self._opened = self._opened, {}
        for provider in opened.values():
            await provider.close()

    def _open(self, name: str) -> LazyProvider:
        settings = self._settings
        timeouts = Timeouts(
            connect=settings.connect_timeout, first_token=settings.first_token_timeout, idle=settings.idle_timeout
        )
        if name == "anthropic":
            key, address = settings.anthropic_api_key, settings.anthropic_base_url
            endpoint = Endpoint.of(ANTHROPIC, address, key, timeouts)
            return LazyProvider(lambda: _anthropic(endpoint))
        endpoint = Endpoint.of(OPENAI, settings.openai_base_url, settings.openai_api_key, timeouts)
        return LazyProvider(lambda: _openai_chat(endpoint) if name == "openai-chat" else _openai(endpoint))


def _anthropic(endpoint: Endpoint) -> Provider:
    from tether.adapters.providers.anthropic import AnthropicMessages  # noqa: PLC0415 - takes seconds

    return AnthropicMessages(endpoint)


def _openai(endpoint: Endpoint) -> Provider:
    from tether.adapters.providers.openai_responses import OpenAIResponses  # noqa: PLC0415 - takes a second

    return OpenAIResponses(endpoint)


def _openai_chat(endpoint: Endpoint) -> Provider:
    from tether.adapters.providers.openai_chat import OpenAIChat  # noqa: PLC0415 - takes a second

    return OpenAIChat(endpoint)
