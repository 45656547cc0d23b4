"""A scripted model behind the providers' own wire formats, on a loopback socket.

Everything here is a fake and says so: each answer carries the header `x-tether-scripted: 1`. What a
provider's SDK sees on the socket is what that provider would send; what the model says is written by a
person, as a list of replies and faults or as a function from the request to one of them.

    async with WireServer([calls("look_up_order", order_id="1042"), says("It is on its way.")]) as server:
        client = AsyncOpenAI(api_key="scripted", base_url=server.openai_url, max_retries=0)
"""

from tether.testing.wire.faults import (
    CutStream,
    Empty,
    ErrorInStream,
    Malformed,
    Reset,
    Stall,
    Status,
)
from tether.testing.wire.metering import Meter
from tether.testing.wire.replies import Reply, ScriptedCall, ScriptedUsage, calls, calls_many, says
from tether.testing.wire.requests import Call, Request, ToolResult, Wire
from tether.testing.wire.script import Answer, Script
from tether.testing.wire.served import Served
from tether.testing.wire.server import WireServer
from tether.testing.wire.thread import ThreadedWire, wire_in_thread

__all__ = [
    "Answer",
    "Call",
    "CutStream",
    "Empty",
    "ErrorInStream",
    "Malformed",
    "Meter",
    "Reply",
    "Request",
    "Reset",
    "Script",
    "ScriptedCall",
    "ScriptedUsage",
    "Served",
    "Stall",
    "Status",
    "ThreadedWire",
    "ToolResult",
    "Wire",
    "WireServer",
    "calls",
    "calls_many",
    "says",
    "wire_in_thread",
]
