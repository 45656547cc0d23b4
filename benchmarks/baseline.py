"""What workload A is measured against: the leanest loop that a person would write by hand with Temporal.

Two activities, the conversation in the worker's memory. It leaves out what it can: a conversation that outlives its
worker, heartbeats, validation of arguments, limits, ids, decisions, costs, any record but the history itself.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

with workflow.unsafe.imports_passed_through():
    from benchmarks.stopwatch import Stopwatch
    from benchmarks.workload import INSTRUCTIONS, MAX_OUTPUT_TOKENS, MODEL, look_up
    from tether.workers.bootstrap import PASSED_THROUGH

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

QUEUE = "loop"
WORKFLOW = "Loop"
CALL_MODEL = "call_model"
WITHIN = timedelta(seconds=60)


class Call(BaseModel):
    """A tool call as the model wrote it."""

    id: str
    tool: str
    arguments: str


class Said(BaseModel):
    """A reply of the model."""

    text: str
    call: Call | None = None


class Activities:
    """Calls the model and the tool, and remembers the conversation of each run."""

    def __init__(self, client: AsyncOpenAI, stopwatch: Stopwatch) -> None:
        self._client = client
        self._stopwatch = stopwatch
        self._conversations: dict[str, list[ChatCompletionMessageParam]] = {}

    @activity.defn(name=CALL_MODEL)
    async def call_model(self, task: str) -> Said:
        """One streamed call."""
        messages = self._conversations.setdefault(
            activity.info().workflow_id or "",
            [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": task}],
        )
        with self._stopwatch.running():
            said = await self._streamed(messages)
        if said.call is None:
            del self._conversations[activity.info().workflow_id or ""]
        else:
            messages.append(_asked(said.text, said.call))
        return said

    @activity.defn(name=look_up.name)
    async def call_tool(self, call: Call) -> str:
        """One tool call."""
        result = str(await look_up(**json.loads(call.arguments)))
        messages = self._conversations[activity.info().workflow_id or ""]
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        return result

    async def _streamed(self, messages: list[ChatCompletionMessageParam]) -> Said:
        text, call = "", None
        stream = await self._client.chat.completions.create(
            model=MODEL,
            messages=messages,
            tools=[_tool()],
            max_tokens=MAX_OUTPUT_TOKENS,
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                for part in choice.delta.tool_calls or ():
                    if part.function and part.id:
                        call = Call(id=part.id, tool=part.function.name or "", arguments="")
                    if part.function and call:
                        call.arguments += part.function.arguments or ""
        return Said(text=text, call=call)


@workflow.defn(name=WORKFLOW)
class Loop:
    """The loop."""

    @workflow.run
    async def run(self, task: str) -> str:
        """Call the model and its tool until it answers."""
        while True:
            said = await workflow.execute_activity_method(Activities.call_model, task, start_to_close_timeout=WITHIN)
            if said.call is None:
                return said.text
            await workflow.execute_activity_method(Activities.call_tool, said.call, start_to_close_timeout=WITHIN)


def runner() -> SandboxedWorkflowRunner:
    """The sandbox, with the same modules passed through as Tether's own."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH, "benchmarks")
    return SandboxedWorkflowRunner(restrictions=restrictions)


async def serve(address: str, model_url: str, stopwatch: Stopwatch, stop: asyncio.Event) -> None:
    """Run a worker until `stop` is set."""
    from openai import AsyncOpenAI  # noqa: PLC0415  takes a second, and workflow code never needs it

    client = await Client.connect(address, data_converter=pydantic_data_converter)
    async with AsyncOpenAI(api_key="scripted", base_url=model_url, max_retries=0) as openai:
        activities = Activities(openai, stopwatch)
        async with Worker(
            client,
            task_queue=QUEUE,
            workflows=[Loop],
            activities=[activities.call_model, activities.call_tool],
            workflow_runner=runner(),
        ):
            await stop.wait()


def _asked(text: str, call: Call) -> ChatCompletionMessageParam:
    return {
        "role": "assistant",
        "content": text,
        "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.tool, "arguments": call.arguments}}
        ],
    }


def _tool() -> ChatCompletionToolParam:
    contract = look_up.contract
    return {
        "type": "function",
        "function": {
            "name": contract.name,
            "description": contract.description,
            "parameters": dict(contract.parameters),
        },
    }
