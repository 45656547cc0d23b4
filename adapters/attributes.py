"""Tether's search attributes: their keys, and what a namespace must have before a run can start in it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from tether import attributes
from tether.errors import TetherError

AGENT = SearchAttributeKey.for_keyword(attributes.AGENT)
VERSION = SearchAttributeKey.for_keyword(attributes.VERSION)
USER = SearchAttributeKey.for_keyword(attributes.USER)
TENANT = SearchAttributeKey.for_keyword(attributes.TENANT)
STATE = SearchAttributeKey.for_keyword(attributes.STATE)
OUTCOME = SearchAttributeKey.for_keyword(attributes.OUTCOME)
SESSION = SearchAttributeKey.for_keyword(attributes.SESSION)
ROOT = SearchAttributeKey.for_keyword(attributes.ROOT)
TASK_TYPE = SearchAttributeKey.for_keyword(attributes.TASK_TYPE)
APPROVERS = SearchAttributeKey.for_keyword_list(attributes.APPROVERS)

MAX_VALUE_BYTES = attributes.MAX_VALUE_BYTES

WANTED_RETENTION = timedelta(days=30)
"""How long a closed run should be readable: as long as a person may be waited for."""

_TYPES = {
    **dict.fromkeys(attributes.KEYWORDS, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD),
    **dict.fromkeys(attributes.KEYWORD_LISTS, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST),
}
_VISIBLE_WITHIN = 30.0
_LOOKED_EVERY = 0.1


class AttributesMissing(TetherError):
    """The namespace lacks search attributes of Tether's."""


async def missing_attributes(client: Client) -> list[str]:
    """The search attributes that the client's namespace lacks; those of another type count as lacking."""
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return [name for name, kind in _TYPES.items() if listed.custom_attributes.get(name) != kind]


async def ensure_attributes(client: Client) -> list[str]:
    """Register the search attributes that the client's namespace lacks, and wait until they can be used.

    Returns:
        The names of those that were registered now.

    Raises:
        AttributesMissing: The server didn't let them be registered, or didn't show them within 30 s.
    """
    missing = await missing_attributes(client)
    if not missing:
        return []
    request = AddSearchAttributesRequest(
        namespace=client.namespace, search_attributes={name: _TYPES[name] for name in missing}
    )
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise AttributesMissing(
                f"the search attributes {', '.join(missing)} could not be registered in {client.namespace!r}: "
                f"{error.message}; register them yourself, as keywords ({APPROVERS.name} as a list of keywords)"
            ) from error
    await _visible(client)
    return missing


async def short_retention(client: Client) -> timedelta | None:
    """How long the namespace keeps closed runs, where that is less than `WANTED_RETENTION`; None where it suffices."""
    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    kept: timedelta = described.config.workflow_execution_retention_ttl.ToTimedelta()
    return kept if kept < WANTED_RETENTION else None


async def _visible(client: Client) -> None:
    try:
        async with asyncio.timeout(_VISIBLE_WITHIN):
            while await missing_attributes(client):  # noqa: ASYNC110  the server tells nobody: it has to be asked  # noqa: ASYNC110  the server has to be asked
                await asyncio.sleep(_LOOKED_EVERY)
    except TimeoutError as error:
        left = ", ".join(await missing_attributes(client))
        raise AttributesMissing(
            f"the search attributes {left} were registered, but {client.namespace!r} did not show them within "
            f"{_VISIBLE_WITHIN:g} s (one of another type may have the name); run `tether setup` again"
        ) from error
