"""Desks over WebSocket whose user, session, device and conversations are another tenant's."""

import asyncio

import websocket
from wire import Answer

TYPES = ("slot.taken", "slot.released", "conversation.removed", "slots.synced", "status.changed")


def conversation(maker, n):
    """What one desk sends, and the user and session of its hello."""
    rng, of = maker.rng, maker.pools.of
    user = str(of("user.id")) if n % 3 == 0 else str(rng.choice(maker.tenant.pools["user.id"]))
    messages = []
    for number in range(4):
        kind = rng.choice(TYPES)
        data = {
            "slots.synced": {"channel": "chat", "conversations": [of("slot.text")]},
            "status.changed": {"presence_id": of("presence.guid")},
            "slot.taken": {"channel": "chat", "conversation": of("slot.text")},
        }.get(kind, {"conversation": of("conversation.guid")})
        messages.append({"type": "event", "id": f"{n}-{number}", "event": {"type": kind, "data": data}})
    return {"user": user, "session": of("session.text"), "device": of("device.text")}, messages


async def hold(port, key, hello, messages):
    """Opens a desk and sends its messages one by one; what it was sent, as one answer."""
    desk = await websocket.connect(port, key, hello["user"], hello["session"])
    said = []
    try:
        for message in [None, *messages]:
            if message is not None:
                desk.writer.write(websocket.message(message))
            text = None
            while text is None:
                text = await asyncio.wait_for(desk.read(), 10)
            said.append(repr(text).encode())
            if text["type"] in ("ended", "error"):
                break
    except EOFError as closed:
        said.append(repr(closed.args).encode())
    finally:
        desk.close()
    return Answer(desk.status, b"\r\n\r\n" + b"\n".join(said))
