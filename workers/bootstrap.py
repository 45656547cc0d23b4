"""A worker, composed: settings to adapters to activities to Temporal workers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from tether.activities.costs import Costs
from tether.activities.evaluate import EvaluateActivities
from tether.activities.fallback import FallbackActivities
from tether.activities.ledger import LedgerActivities
from tether.activities.model import ModelActivities
from tether.activities.notify import NotifyActivities
from tether.activities.owners import Owners
from tether.activities.passage import Passage
from tether.activities.places import WorkerBulkheads
from tether.activities.reconcile import ReconcileActivities
from tether.activities.setup import SetupActivities
from tether.activities.tools import ToolActivities
from tether.activities.upkeep import UpkeepActivities
from tether.adapters.attributes import missing_attributes
from tether.adapters.bills import RecordedBills
from tether.adapters.handlers import Handlers
from tether.adapters.history import HistoryReader
from tether.adapters.notifiers.log import LogNotifier
from tether.adapters.notifiers.several import Several
from tether.adapters.notifiers.webhook import WebhookNotifier
from tether.adapters.places import WorkerPlaces
from tether.adapters.progress import NoProgress
from tether.adapters.providers.catalog import ProviderCatalog
from tether.adapters.providers.pricing import GenaiPrices
from tether.adapters.schedules import ensure_upkeep
from tether.adapters.settings import Settings
from tether.adapters.transcripts import CachedTranscripts
from tether.agent import Agent, App
from tether.errors import DeclarationError, ProviderError, TetherError
from tether.manifest import Manifest
from tether.policy.pinned import PinnedPolicy
from tether.ports import Notifier
from tether.protection import Capacity
from tether.workers.budgets import OpenedBooks, open_books
from tether.workers.contents import Served, served
from tether.workers.fairness import telling_if_unfair
from tether.workers.policies import policy_of
from tether.workers.protection import open_passage
from tether.workers.stores import open_store
from tether.workflows.agent_run import AgentRun
from tether.workflows.upkeep import Upkeep

log = logging.getLogger("tether.worker")

PASSED_THROUGH = ("tether", "pydantic", "pydantic_core", "annotated_types", "typing_extensions")
"""Modules that the workflow sandbox doesn't load anew: for speed. Lint keeps clocks and randomness out of tether."""


class UnhealthyWorker(TetherError):
    """A worker drained and stopped by itself since too many of its threads hang."""


async def run_worker(
    app: App, settings: Settings, client: Client, *, stop: asyncio.Event, attributes: bool | None = None
) -> None:
    """Serve an app until `stop` is set, then drain: finish what was begun, for at most `settings.drain` seconds.

    Args:
        app: What to serve.
        settings: Of this deployment.
        client: Made by `tether.adapters.connection.connect`.
        stop: Set it to stop.
        attributes: Whether the namespace has Tether's search attributes; None to ask the server.

    Raises:
        DeclarationError: A tool has the name of one of the App's activities, or the policy can't be used.
        ResourceFailed: A resource could not be opened.
        UnhealthyWorker: Too many handlers hang.
    """
    _check_names(app, app.agents)
    policy = policy_of(app)
    if attributes is None:
        attributes = await _has_attributes(client)
    unhealthy = asyncio.Event()

    def hang() -> None:
        unhealthy.set()
        stop.set()

    async with AsyncExitStack() as stack:
        handlers = await stack.enter_async_context(Handlers(app.resources, settings.handler_threads, hang))
        providers = ProviderCatalog(settings.providers)
        stack.push_async_callback(providers.close)
        prices = GenaiPrices(settings.providers)
        await _load_providers(app, providers, prices)
        notifier = _notifier(settings, stack)
        store = await stack.enter_async_context(open_store(app, settings))
        opened = await open_books(app, store)
        serving = served(app, settings, store)
        _check_names(app, serving.agents)
        passage = await stack.enter_async_context(open_passage(app, settings, store, client.identity))
        activities = _Activities(
            app,
            serving,
            policy,
            settings,
            client,
            handlers,
            providers,
            prices,
            notifier,
            opened,
            passage,
            attributes=attributes,
        )
        for worker in _workers(app, settings, client, activities):
            await stack.enter_async_context(worker)
        if store:
            every, after = timedelta(seconds=settings.upkeep), timedelta(seconds=settings.settle_after)
            await ensure_upkeep(client, settings.task_queue, every, after)
        await stack.enter_async_context(telling_if_unfair(client))
        log.info("serving %s on task queue %r", ", ".join(app.agents), settings.task_queue)
        await stop.wait()
        log.info("draining")
    if unhealthy.is_set():
        raise UnhealthyWorker(
            f"half of the {settings.handler_threads} threads for sync tools hang in calls that were cut off long ago; "
            "the worker has stopped so that a new one can take its place: give those tools timeouts of their own"
        )


class _Activities:
    """Tether's activities, wired."""

    def __init__(  # noqa: PLR0913, PLR0917  what is wired here is what there is
        self,
        app: App,
        serving: Served,
        policy: PinnedPolicy,
        settings: Settings,
        client: Client,
        handlers: Handlers,
        providers: ProviderCatalog,
        prices: GenaiPrices,
        notifier: Notifier,
        opened: OpenedBooks | None,
        passage: Passage,
        *,
        attributes: bool,
    ) -> None:
        transcripts = CachedTranscripts(HistoryReader(client))
        owners, costs = Owners(handlers, handlers), Costs(handlers, handlers)
        recorded = settings.for_runs(attributes=attributes)
        budgets = opened.budgets if opened else None
        agents = serving.agents
        setup = SetupActivities(agents, policy, prices, recorded, transcripts, budgets)
        ledger = LedgerActivities(opened.ledger if opened else None)
        bulkheads = WorkerBulkheads(app.bulkheads, _capacity(settings), WorkerPlaces())
        model = ModelActivities(
            client,
            agents,
            providers,
            transcripts,
            NoProgress(),
            owners,
            costs,
            passage,
            bulkheads=bulkheads,
            attempts=settings.model_attempts,
            timeout_ms=round(settings.model_timeout * 1000),
        )
        tools = ToolActivities(
            client, agents, handlers, handlers, transcripts, passage, serving.keeping, bulkheads=bulkheads
        )
        reconcile = ReconcileActivities(client, agents, handlers, handlers, transcripts, serving.keeping)
        fallback = FallbackActivities(app.agents, handlers, handlers)
        evaluate = EvaluateActivities(agents, owners, costs, transcripts)
        self.setup: list[Callable[..., Any]] = [setup.setup, evaluate.evaluate, ledger.draw, ledger.await_funds]
        self.model: list[Callable[..., Any]] = [model.think, model.plan, model.summarise]
        self.tools: list[Callable[..., Any]] = [tools.execute, reconcile.reconcile]
        books = opened.books if opened else None
        ledgers = opened.ledger if opened else None
        upkeep = UpkeepActivities(books, ledgers, RecordedBills(client), notifier, serving.contents)
        self.notify: list[Callable[..., Any]] = [NotifyActivities(notifier).notify, upkeep.upkeep, fallback.fallback]


def _capacity(settings: Settings) -> Capacity:
    model_queue, tool_queue = settings.model_queue or settings.task_queue, settings.tool_queue or settings.task_queue
    return Capacity(
        activities=settings.max_activities, threads=settings.handler_threads, shared=model_queue == tool_queue
    )


def _notifier(settings: Settings, stack: AsyncExitStack) -> Notifier:
    """The log, and the webhook where the settings name one."""
    if settings.webhook is None:
        return LogNotifier()
    webhook = WebhookNotifier(settings.webhook)
    stack.push_async_callback(webhook.close)
    return Several([LogNotifier(), webhook])


def _workers(app: App, settings: Settings, client: Client, activities: _Activities) -> Sequence[Worker]:
    """One worker for each task queue that the settings name."""
    by_queue: dict[str, list[Callable[..., Any]]] = {
        settings.task_queue: [*activities.setup, *activities.notify, *app.activities]
    }
    by_queue.setdefault(settings.model_queue or settings.task_queue, []).extend(activities.model)
    by_queue.setdefault(settings.tool_queue or settings.task_queue, []).extend(activities.tools)
    runner = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))
    # Named so that the SDK needn't: it would hash every loaded module, a second at each start, and write the long hash
    # into every workflow task.
    deployment = WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name="tether", build_id=_version()),
        use_worker_versioning=False,
    )
    return [
        Worker(
            client,
            task_queue=queue,
            workflows=[AgentRun, Upkeep, *app.workflows] if queue == settings.task_queue else [],
            activities=served,
            workflow_runner=runner,
            max_concurrent_activities=settings.max_activities,
            graceful_shutdown_timeout=timedelta(seconds=settings.drain),
            deployment_config=deployment,
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=settings.sticky_timeout),
        )
        for queue, served in by_queue.items()
    ]


def _version() -> str:
    try:
        return version("tether-agents")
    except PackageNotFoundError:
        return "source"


def _check_names(app: App, agents: Mapping[str, Agent]) -> None:
    taken = {activity._Definition.must_from_callable(item).name for item in app.activities}  # noqa: SLF001  the SDK's only way to an activity's name
    for agent in agents.values():
        for tool in agent.tools:
            if tool.name in taken:
                raise DeclarationError(
                    f"agent {agent.name!r} has a tool {tool.name!r}, which is also the name of one of the App's "
                    "activities; a tool's name is its activity type, so give one of them another name"
                )


async def _load_providers(app: App, providers: ProviderCatalog, prices: GenaiPrices) -> None:
    """Load the vendors' SDKs and prices before the first call needs them; say which agents lack a model or a price."""
    for agent in app.agents.values():
        manifest = await asyncio.to_thread(Manifest.of, agent, prices=prices)
        if manifest.unpriced:
            log.warning("no run of it will start: %s", manifest.unpriced)
        for model in agent.models:
            try:
                await providers.load(model.name)
            except ProviderError as error:
                log.warning("agent %r: %s", agent.name, error)


async def _has_attributes(client: Client) -> bool:
    missing = await missing_attributes(client)
    if missing:
        log.warning(
            "namespace %r lacks the search attributes %s: searches won't find runs by them; run `tether setup`",
            client.namespace,
            ", ".join(missing),
        )
    return not missing
