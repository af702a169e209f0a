"""Simulation: a definition tried out from beginning to end, with nothing done to the world."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import orjson

from engine_service.core.events import iteration_text
from engine_service.core.state import Execution
from engine_service.sdk.run_input import items_of
from engine_service.store.variables import read_variables
from engine_service.trial.rehearsal import PlannedEffect
from engine_service.trial.simulate import Report, Simulator, Trial
from engine_service.wire import workflows as wire
from shared.database import Database
from shared.errors import InvalidInput, Violation
from shared.pb.flowloom.engine.v1 import (
    run_pb2,
    simulation_service_pb2,
    simulation_service_pb2_grpc,
)
from shared.rpc import call
from shared.workflow import Item, parse


class SimulationServicer(simulation_service_pb2_grpc.SimulationServiceServicer):
    """flowloom.engine.v1.SimulationService."""

    def __init__(self, simulator: Simulator, database: Database) -> None:
        self._simulator = simulator
        self._database = database

    async def SimulateWorkflow(
        self, request: simulation_service_pb2.SimulateWorkflowRequest, context: Any
    ) -> simulation_service_pb2.SimulateWorkflowResponse:
        caller = call.caller()
        definition = parse(request.definition.json)
        async with self._database.transaction(caller.tenant_id) as connection:
            variables = await read_variables(connection, caller.tenant_id)
        trial = Trial(
            workflow=definition,
            input=request.input.json or None,
            pinned=_pinned(request.pinned.json),
            trigger_node_id=request.trigger_node_id,
            tenant_id=caller.tenant_id,
            ports=dict(request.ports),
            variables=variables,
        )
        return _response(await self._simulator.simulate(trial))


def _pinned(document: bytes) -> Mapping[str, list[Item]]:
    """Items by node id.

    Raises:
        InvalidInput: The document is not a JSON object.
    """
    try:
        value: Any = orjson.loads(document or b"{}")
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        violation = Violation("/pinned", "malformed", "Send an object from node id to items.")
        raise InvalidInput("The pinned data is malformed.", violations=[violation])
    pairs = cast("dict[str, Any]", value).items()
    return {node_id: items_of(items) for node_id, items in pairs}


def _response(report: Report) -> simulation_service_pb2.SimulateWorkflowResponse:
    ending = report.ending
    if ending is None:
        return simulation_service_pb2.SimulateWorkflowResponse(
            diagnostics=wire.to_diagnostics(report.diagnostics)
        )
    error = run_pb2.RunError(code=ending.code, message=ending.message, node_id=ending.node_id)
    return simulation_service_pb2.SimulateWorkflowResponse(
        status=run_pb2.RUN_STATUS_FAILED if ending.code else run_pb2.RUN_STATUS_COMPLETED,
        nodes=_node_runs(report),
        effects=[_effect(effect) for effect in report.effects],
        diagnostics=wire.to_diagnostics(report.diagnostics),
        computed_node_ids=report.computed,
        error=error if ending.code else None,
        unreached_node_ids=report.unreached,
        branches=[
            simulation_service_pb2.Branch(node_id=one.node_id, port=one.port, taken=one.taken)
            for one in report.branches
        ],
    )


def _node_runs(report: Report) -> Iterable[run_pb2.NodeRun]:
    yield from map(_node_run, report.executions)
    for node_id, iteration in report.skipped:
        yield run_pb2.NodeRun(
            node_id=node_id,
            iteration=iteration_text(iteration),
            status=run_pb2.NODE_RUN_STATUS_SKIPPED,
        )


def _node_run(execution: Execution) -> run_pb2.NodeRun:
    finished, failed = execution.finished, execution.failed
    told = run_pb2.NodeRun(
        node_id=execution.step.id,
        iteration=iteration_text(execution.iteration),
        attempt=execution.attempt,
        status=run_pb2.NODE_RUN_STATUS_RUNNING,  # the trial was cut off in it
    )
    if finished is not None:
        told.status = run_pb2.NODE_RUN_STATUS_COMPLETED
        told.outputs.CopyFrom(wire.document(finished.outputs))
        told.end_time.CopyFrom(wire.timestamp(finished.at))
    elif failed is not None:
        told.status = run_pb2.NODE_RUN_STATUS_FAILED
        told.error.code, told.error.message = failed.code, failed.message
        told.error.node_id = execution.step.id
        told.end_time.CopyFrom(wire.timestamp(failed.at))
    return told


def _effect(effect: PlannedEffect) -> simulation_service_pb2.PlannedEffect:
    return simulation_service_pb2.PlannedEffect(
        node_id=effect.node_id,
        type=effect.type,
        summary=effect.summary,
        request=wire.document(effect.request),
    )
