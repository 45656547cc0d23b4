"""The fifteen lines: from functions that work to an agent that survives a crash.

In one terminal `tether dev --app examples.quickstart:app`, in another `python -m examples.quickstart`.
"""

from tether import Agent, AgentClient, App, tool


@tool(effect="read")
def look_up_order(order_id: str) -> str:
    """Where an order is."""
    return f"Order {order_id} left the warehouse this morning."


desk = Agent(name="desk", instructions="Answer briefly.", models=["openai:gpt-5.4-mini"], tools=[look_up_order])
app = App(agents=[desk])

if __name__ == "__main__":
    result = AgentClient().run_sync(desk, "Where is order 1042?")
    print(result.answer if result.succeeded else result.why)
