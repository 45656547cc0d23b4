"""Model providers behind the ports of `tether.provider`: OpenAI (Responses, Chat Completions) and Anthropic."""

from tether.adapters.providers.catalog import ProviderCatalog, ProviderSettings
from tether.adapters.providers.pricing import GenaiPrices

__all__ = ["GenaiPrices", "ProviderCatalog", "ProviderSettings"]
