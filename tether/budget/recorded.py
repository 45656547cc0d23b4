"""The bill of a run as its history has it: the same charges that the run itself made, in the same words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from tether.budget.draws import Charge, ChargeKind
from tether.budget.reservation import Reservation
from tether.errors import ErrorKind
from tether.events import RunEvent
from tether.model_records import ModelFailure, ModelInput, ModelResult
from tether.records import EVALUATE, PLAN, RECONCILE, SUMMARISE, THINK
from tether.tool_records import ReconcileInput, ReconcileResult, ToolFailure, ToolInput, ToolResult
from tether.value import Value

_T = TypeVar("_T", bound=Value)
_KINDS: dict[str, ChargeKind] = {PLAN: "plan", THINK: "turn", SUMMARISE: "summary"}
_OWN = "tether:"


class Claim(Value):
    """What a call cost, as far as its events say.

    Attributes:
        kind: Of call.
        turn: Its turn.
        call: Our id of a tool call.
        name: The tool, or the model that was asked; the one that served, where that is known.
        reservation: What was kept for it.
        amount: What it cost; None while nobody knows.
        known: Whether that is what was reported.
        at_ms: When that was known, in milliseconds since the epoch; of what nobody knows, when it was begun.
    """

    kind: ChargeKind
    turn: int
    call: str = ""
    name: str = ""
    reservation: Reservation
    amount: int | None = None
    known: bool = True
    at_ms: int


@dataclass
class Bill:
    """Charges of a run, folded from its events.

    Attributes:
        claims: By number of their reservation.
        open: Which of them an activity belongs to, by run and event.
    """

    claims: dict[int, Claim] = field(default_factory=dict)
    open: dict[tuple[str, int], int] = field(default_factory=dict)

    def take(self, event: RunEvent) -> None:
        """Take one event into the bill; taking the same one twice changes nothing."""
        if event.kind == "scheduled":
            self._scheduled(event)
        elif event.kind in {"done", "broke"}:
            number = self.open.pop((event.run_id, event.scheduled), None)
            if number is not None:
                self._closed(event, number)

    def charges(self) -> tuple[Charge, ...]:
        """All charges in the order of their reservations; what nobody knows is charged at its worst case."""
        found = []
        for number, claim in sorted(self.claims.items()):
            kept = claim.reservation
            amount = kept.amount if claim.amount is None else claim.amount
            if amount:
                found.append(
                    Charge(
                        number=number,
                        lineage=kept.mark,
                        draw=kept.draw,
                        kind=claim.kind,
                        turn=claim.turn,
                        call=claim.call,
                        name=claim.name,
                        amount=amount,
                        known=claim.known and claim.amount is not None,
                        over=max(0, amount - kept.amount),
                        at_ms=claim.at_ms,
                    )
                )
        return tuple(found)

    @property
    def total(self) -> int:
        """The sum of all charges, in micro-dollars."""
        return sum(charge.amount for charge in self.charges())

    def _scheduled(self, event: RunEvent) -> None:
        key = (event.run_id, event.id)
        if event.name in _KINDS:
            asked = ModelInput.model_validate(event.data)
            if asked.reservation:
                self._begun(event, _KINDS[event.name], asked.turn, asked.reservation, name=asked.model)
                self.open[key] = asked.reservation.number
        elif event.name == RECONCILE:
            self._searched(key, ReconcileInput.model_validate(event.data).call)
        elif event.name == EVALUATE or event.name.startswith(_OWN):
            return
        else:
            self._called(event, ToolInput.model_validate(event.data))

    def _called(self, event: RunEvent, call: ToolInput) -> None:
        if call.reservation:
            self._begun(event, "tool", call.turn, call.reservation, name=event.name, call=call.call)
            self._again(call.reservation.number)
            self.open[event.run_id, event.id] = call.reservation.number

    def _again(self, number: int) -> None:
        """A call is made, or made again since it had not happened, for the money that is still kept for it."""
        self.claims[number] = self.claims[number].model_copy(update={"amount": None, "known": True})

    def _searched(self, key: tuple[str, int], call: ToolInput) -> None:
        if call.reservation and call.reservation.number in self.claims:
            self.open[key] = call.reservation.number

    def _begun(
        self, event: RunEvent, kind: ChargeKind, turn: int, reservation: Reservation, *, name: str, call: str = ""
    ) -> None:
        self.claims.setdefault(
            reservation.number,
            Claim(kind=kind, turn=turn, call=call, name=name, reservation=reservation, at_ms=_ms(event)),
        )

    def _closed(self, event: RunEvent, number: int) -> None:
        claim = self.claims[number]
        changes = _of_call(event, claim) if claim.kind == "tool" else _of_model(event)
        self.claims[number] = claim.model_copy(update={"at_ms": _ms(event), **changes})


def _of_model(event: RunEvent) -> dict[str, object]:
    if event.kind == "done":
        result = _read(ModelResult, event.data)
        if result is None:  # somebody completed it by hand
            return {"amount": None}
        return {"amount": result.cost, "name": result.model, "known": not result.estimated}
    if event.how == "failed" and (failure := _read(ModelFailure, event.data)):
        return {"amount": failure.cost, "name": failure.model, "known": failure.known}
    return {"amount": None}


def _of_call(event: RunEvent, claim: Claim) -> dict[str, object]:
    if event.kind == "done":
        found = _read(ReconcileResult, event.data)
        if found and found.verdict == "did_not":
            return {"amount": 0}
        if found and found.verdict == "unknown":
            return {"amount": claim.amount, "known": False}
        result = found or _read(ToolResult, event.data)
        return {"amount": result.cost, "known": True} if result else {"amount": None}
    failure = _read(ToolFailure, event.data) if event.how == "failed" else None
    if failure is None:
        return {"amount": claim.amount}
    error = failure.outcome.error
    doubtful = error is not None and error.kind is ErrorKind.UNKNOWN_EFFECT
    return {"amount": failure.cost, "known": not doubtful}


def _read(model: type[_T], data: JsonValue) -> _T | None:
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def _ms(event: RunEvent) -> int:
    return round(event.at.timestamp() * 1000)
