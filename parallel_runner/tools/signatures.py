"""The signature of a job: its tool's name, and for commands what `model.signature` makes of them."""

from __future__ import annotations

import msgspec

from parallel_runner.model.signature import Signature, of_line, of_words

_decode = msgspec.msgpack.Decoder().decode


def signature_of(tool: str, payload: bytes) -> Signature:
    """What kind of work a job is; a payload that cannot be read is known by its tool alone.

    Args:
        tool: the tool's name.
        payload: msgpack of the tool's own payload.
    """
    if tool not in ("bash", "python"):
        return Signature(tool, tool)
    try:
        told = _decode(payload)
    except msgspec.DecodeError:
        told = None
    # Read as a plain map: a job of another version's must not be refused here.
    fields = told if isinstance(told, dict) else {}
    if tool == "python":
        call = fields.get("call") or "function"
        return Signature(f"python {call}"[:160], "python") if isinstance(call, str) else Signature(tool, tool)
    argv, command = fields.get("argv"), fields.get("command")
    if isinstance(argv, list) and all(isinstance(word, bytes) for word in argv):
        return of_words(argv)
    return of_line(command) if isinstance(command, bytes) else Signature(tool, tool)
