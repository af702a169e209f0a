"""Errors across the wire: AppError ⇄ google.rpc.Status with ErrorInfo and BadRequest.

The kind is the gRPC status, the narrower reason and the facts are ErrorInfo, what is wrong with the
input is BadRequest. Nothing else in the mesh builds or reads an error status.
"""

# google.rpc ships no types; everything unknown ends inside this file.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from shared.errors import KINDS, AppError, Internal, LimitReached, Unavailable, Violation

DOMAIN = "flowloom"
_LONGEST = 500
_MOST_VIOLATIONS = 100
_ROOM = 32 * 1024
"""Details travel as metadata, of which a channel takes so much and no more."""

_BY_STATUS: dict[grpc.StatusCode, type[AppError]] = {
    **{kind.grpc_status: kind for kind in KINDS},
    # What gRPC itself may say without any of our servers having spoken.
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,
    grpc.StatusCode.UNKNOWN: Internal,
    grpc.StatusCode.UNIMPLEMENTED: Internal,
    grpc.StatusCode.OUT_OF_RANGE: LimitReached,
}


def to_status(error: AppError) -> grpc.Status:
    """What to abort a call with."""
    info = error_details_pb2.ErrorInfo(reason=error.code, domain=DOMAIN, metadata=error.metadata)
    details = [_packed(info)]
    if error.violations:
        details.append(_packed(_bad_request(error.violations)))
    return rpc_status.to_status(
        status_pb2.Status(
            code=code_pb2.Code.Value(error.grpc_status.name),
            message=_shortened(error.message),
            details=details,
        )
    )


def from_rpc_error(error: grpc.aio.AioRpcError) -> AppError:
    """The failure that the other side raised, as the same class."""
    kind = _BY_STATUS.get(error.code(), Internal)
    status = rpc_status.from_call(error)  # pyright: ignore[reportArgumentType] (AioRpcError has the same accessors)
    if status is None:
        return _from_grpc(kind, error)
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        if not detail.Unpack(info):
            detail.Unpack(bad_request)
    violations = [
        Violation(one.field, one.reason, one.description, one.localized_message.message)
        for one in bad_request.field_violations
    ]
    return kind(
        status.message,
        reason=info.reason or None,
        metadata=dict(info.metadata),
        violations=violations,
    )


def _from_grpc(kind: type[AppError], error: grpc.aio.AioRpcError) -> AppError:
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Unavailable("The service did not answer in time.", reason="DEADLINE_EXCEEDED")
    if kind is Unavailable:
        return Unavailable("The service is not reachable at the moment.")
    return kind(error.details() or kind.reason.replace("_", " ").capitalize())


def _packed(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _bad_request(violations: tuple[Violation, ...]) -> error_details_pb2.BadRequest:
    """The first ones, as many as the other side will take."""
    bad_request = error_details_pb2.BadRequest()
    for violation in violations[:_MOST_VIOLATIONS]:
        field = bad_request.field_violations.add(
            field=_shortened(violation.pointer),
            reason=violation.code,
            description=_shortened(violation.message),
            localized_message=error_details_pb2.LocalizedMessage(
                locale="en", message=_shortened(violation.suggestion)
            ),
        )
        if bad_request.ByteSize() > _ROOM:
            bad_request.field_violations.remove(field)
            break
    return bad_request


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
