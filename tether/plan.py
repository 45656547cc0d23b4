"""What the model means to do, asked before it does anything."""

from __future__ import annotations

from pydantic import Field

from tether.value import Value

PLAN_OUTPUT_TOKENS = 2_000


class PlanStep(Value):
    """One step of a plan."""

    id: str = Field(description="A short id, unique within the plan.")
    what: str = Field(description="What is to be done, in one sentence.")
    tool: str | None = Field(default=None, description="The tool that does it, where one does.")
    depends_on: tuple[str, ...] = Field(default=(), description="Ids of the steps that come first.")


class Plan(Value):
    """Steps towards the answer."""

    steps: tuple[PlanStep, ...] = Field(max_length=50)

    def text(self) -> str:
        """The plan as a list for people and for the model."""
        return "\n".join(f"{step.id}. {step.what}" + (f" [{step.tool}]" if step.tool else "") for step in self.steps)
