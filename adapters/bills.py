"""Bills of runs, read from their histories: of all runs of a chain, and of those that a reset gave up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue, ValidationError
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tether.adapters.history import HistoryReader, Origin
from tether.budget.bills import BillStatus, RunBill
from tether.budget.draws import Charge
from tether.budget.recorded import Bill
from tether.errors import RunNotFound
from tether.result import RESULT_MEMO, RunResult

_OPEN = {
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED,
}


class RecordedBills:
    """Implements `tether.budget.bills.Bills`.

    Args:
        client: Of the namespace in which the runs are.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reader = HistoryReader(client)

    @property
    def namespace(self) -> str:
        """The client's."""
        return self._client.namespace

    async def of(self, run: str, account: str, *, even_running: bool = False) -> RunBill:
        """The bill of one run.

        Raises:
            RPCError: Temporal does not answer, or refuses.
        """
        latest = await self._latest(run, account)
        status: BillStatus = "running" if latest and latest.status in _OPEN else "ended"
        if status == "running" and not even_running:
            return RunBill(status="running")
        origins = await self._origins(run, account, latest)
        if not origins:
            return RunBill(status="gone", whole=False)
        try:
            return await self._bill(run, account, origins, status, latest)
        except RunNotFound:  # it was deleted meanwhile
            return RunBill(status=status if status == "running" else "gone", whole=False)

    async def _bill(
        self,
        run: str,
        account: str,
        origins: Mapping[str, Origin],
        status: BillStatus,
        latest: WorkflowExecutionInfo | None,
    ) -> RunBill:
        found: list[tuple[Charge, ...]] = []
        counted, cost = 0, None
        for path in _paths(origins):
            bill, result = await self._read(run, path)
            found.append(bill.charges())
            if latest and path[-1] == latest.execution.run_id:
                counted = bill.total
                cost = _cost(result if result is not None else await self._remembered(latest))
        return RunBill(
            status=status,
            charges=_each_once(found),
            whole=_whole(origins, account),
            counted=counted,
            cost=cost,
        )

    async def _latest(self, run: str, account: str) -> WorkflowExecutionInfo | None:
        """The run that has this id now, where it is one of the account's chain."""
        request = DescribeWorkflowExecutionRequest(
            namespace=self._client.namespace, execution=WorkflowExecution(workflow_id=run)
        )
        try:
            described = await self._client.workflow_service.describe_workflow_execution(request, retry=True)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        info = described.workflow_execution_info
        return info if info.first_run_id == account else None

    async def _origins(self, run: str, account: str, latest: WorkflowExecutionInfo | None) -> dict[str, Origin]:
        """Of each run of the account's chain whose history is there, where it comes from."""
        unread = [account, *([latest.execution.run_id] if latest else []), *await self._listed(run)]
        read, origins = set[str](), dict[str, Origin]()
        while unread:
            run_id = unread.pop()
            if not run_id or run_id in read:
                continue
            read.add(run_id)
            try:
                origin = await self._reader.origin(run, run_id)
            except RunNotFound:
                continue
            if origin.first == account:
                origins[run_id] = origin
                unread.append(origin.before)
        return origins

    async def _listed(self, run: str) -> list[str]:
        """All runs that have had this id, as far as they can be listed."""
        quoted = run.replace("\\", "\\\\").replace("'", "\\'")
        try:
            return [each.run_id async for each in self._client.list_workflows(f"WorkflowId = '{quoted}'")]
        except RPCError as error:
            if error.status is RPCStatusCode.UNIMPLEMENTED:
                return []
            raise

    async def _read(self, run: str, path: Sequence[str]) -> tuple[Bill, JsonValue]:
        """The bill of runs that followed each other, and what the last of them returned."""
        bill, result = Bill(), None
        for run_id in path:
            async for event in self._reader.events(run, run_id):
                bill.take(event)
                if event.kind in {"run_completed", "run_failed"}:
                    result = event.data
        return bill, result

    async def _remembered(self, latest: WorkflowExecutionInfo) -> JsonValue:
        """The result that a cancelled run has left in its memo."""
        if RESULT_MEMO not in latest.memo.fields:
            return None
        (result,) = await self._client.data_converter.decode([latest.memo.fields[RESULT_MEMO]])
        left: JsonValue = result
        return left


def _paths(origins: Mapping[str, Origin]) -> Iterable[list[str]]:
    """From the first run that is there to each that none continues: there are several where a run was reset."""
    continued = {origin.before for origin in origins.values()}
    for run_id in origins:
        if run_id in continued:
            continue
        path = [run_id]
        while (before := origins[path[0]].before) in origins:
            path.insert(0, before)
        yield path


def _whole(origins: Mapping[str, Origin], account: str) -> bool:
    needed = {account} | {run for origin in origins.values() for run in (origin.before, origin.original) if run}
    return needed <= origins.keys()


def _each_once(bills: Iterable[Sequence[Charge]]) -> tuple[Charge, ...]:
    """Charges of several paths; of one that two have, since it was in flight at a reset, the one that was reported."""
    found = dict[tuple[str, int], Charge]()
    for charge in (charge for charges in bills for charge in charges):
        name = charge.lineage, charge.number
        if name not in found or (charge.known and not found[name].known):
            found[name] = charge
    return tuple(found.values())


def _cost(result: JsonValue) -> int | None:
    try:
        return RunResult.model_validate(result).cost
    except ValidationError:  # it ended without one, or its workflow itself failed
        return None
