"""The Python way: FastAPI, which reads the status from Redis for each request."""

import os

import redis.asyncio as redis
from fastapi import FastAPI, Response

app = FastAPI()
statuses = redis.Redis(unix_socket_path=os.environ["REDIS_SOCKET"])

HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


@app.get("/qr-auth-status")
async def status(session_id: str) -> Response:
    found = await statuses.get(f"status:{session_id}")
    return Response(found or b'{"status":"not_found"}', media_type="application/json", headers=HEADERS)
