"""The floor: an ASGI app that parses the body, calls the model's function and answers. Nothing else could cost less.

One process, no batching, no checks, no isolation: `python floor.py PORT`, below uvicorn with httptools and uvloop.
"""

import sys

import msgspec
import uvicorn

LABELS = ["Boeing", "Airbus"]


def predict(tasks, **kwargs):
    """Answer as models/first_label.py does."""
    region = {
        "from_name": "choice",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": [LABELS[0]]},
    }
    return [{"result": [region], "score": 0.5} for _ in tasks]


async def app(scope, receive, send):
    """Answer one HTTP request."""
    message = await receive()
    body = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    answer = b'{"status":"UP"}'
    if body:
        request = msgspec.json.decode(body)
        answer = msgspec.json.encode({"results": predict(request["tasks"])})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
    )
