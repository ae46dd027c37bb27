"""A web service for people with a subscription: a Mini App's backend that asks qr-login whom it may serve.

1. `GET /digest` is for a person who opened the service's Mini App. Telegram has signed who it is; qr-login says what they may do.
2. `POST /webhooks` is for qr-login: it tells what happened to a person. The service then asks for that person's row and keeps it, so
   its own table `people` is never far behind, and the service goes on for a while when qr-login is away.

A message may come twice, and one that was replayed comes late. Both do no harm here: the row that is asked for is at least as new as
the message (`min_position`), and rows are asked for and stored one after the other. So run one process of this: with more, use a
database that all of them share, and a lock for each person.

Run it:  QR_LOGIN_URL=https://login.example QR_LOGIN_KEY=qrl_… WEBHOOK_SECRET=whsec_… BOT_TOKEN=… uvicorn subscription_gate:app
The key needs the scope users:read. Make the webhook for https://this-service.example/webhooks; none of its types has to be picked.
"""

import asyncio
import hashlib
import hmac
import json
import os
import sqlite3
import time
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qsl

import httpx
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

BOT_TOKEN = os.environ["BOT_TOKEN"]
#: How old launch data may be.
FRESH_SECONDS = 3600

app = FastAPI()
webhook = Webhook(os.environ["WEBHOOK_SECRET"])
qr_login = httpx.AsyncClient(
    base_url=os.environ["QR_LOGIN_URL"].rstrip("/") + "/api/v1/",
    headers={"Authorization": f"Bearer {os.environ['QR_LOGIN_KEY']}"},
    timeout=10,
)
db = sqlite3.connect(os.environ.get("PEOPLE_DB", "people.db"), isolation_level=None)
db.execute("""create table if not exists people (
    account_id text primary key, telegram_id integer not null unique, tier text not null, status text not null,
    expires_at text, is_blocked integer not null, position integer not null)""")
one_after_the_other = asyncio.Lock()


def signed_in(authorization: Annotated[str, Header()]) -> int:
    """The Telegram id of the person who opened the Mini App: https://core.telegram.org/bots/webapps#validating-data-received-via-the-mini-app"""
    scheme, _, launch = authorization.partition(" ")
    fields = dict(parse_qsl(launch))
    given = fields.pop("hash", "")
    text = "\n".join(f"{name}={value}" for name, value in sorted(fields.items()))
    key = hmac.digest(b"WebAppData", BOT_TOKEN.encode(), "sha256")
    wanted = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if scheme != "tma" or not hmac.compare_digest(given.encode(), wanted.encode()):
        raise HTTPException(401, "open this in Telegram")
    if time.time() - int(fields["auth_date"]) > FRESH_SECONDS:
        raise HTTPException(401, "open this again")
    return json.loads(fields["user"])["id"]


async def tier_of(telegram_id: int) -> str | None:
    """What the person may use now; None: nothing."""
    try:
        answer = await qr_login.get(f"users/{telegram_id}/subscription")
        if answer.status_code == 404:  # never wrote to the bot, or is forgotten
            return None
        subscription = answer.raise_for_status().json()
        return subscription["tier"] if subscription["active"] else None
    except httpx.HTTPError:
        # qr-login is away. What it told last is better than to refuse everybody.
        query = "select tier, status, expires_at, is_blocked from people where telegram_id = ?"
        tier, status, expires_at, is_blocked = db.execute(query, [telegram_id]).fetchone() or (None, "none", None, 0)
        is_over = expires_at is not None and datetime.fromisoformat(expires_at) <= datetime.now(UTC)
        return tier if status == "active" and not is_over and not is_blocked else None


@app.get("/digest")
async def digest(person: Annotated[int, Depends(signed_in)]) -> dict[str, str]:
    tier = await tier_of(person)
    if tier is None:
        raise HTTPException(403, "this needs a subscription")
    return {"digest": f"today’s digest, as {tier} has it"}


@app.post("/webhooks", status_code=204)
async def happened(request: Request) -> Response:
    try:
        # Refuses what is not signed with the secret, and what is older than five minutes.
        message = webhook.verify(await request.body(), dict(request.headers))
    except (WebhookVerificationError, ValueError):
        raise HTTPException(401, "the signature does not fit") from None
    about = message["data"]
    # A test is about nobody.
    if about["account_id"] is not None:
        async with one_after_the_other:
            await learn(about["account_id"], about["telegram_id"], about["position"])
    return Response(status_code=204)


async def learn(account_id: str, telegram_id: int | None, position: int) -> None:
    """Stores the person's row. Where it fails, the answer is no success, and the message comes again."""
    if telegram_id is None:  # nobody knows any more whose account it was
        db.execute("delete from people where account_id = ?", [account_id])
        return
    answer = await qr_login.get(f"users/{telegram_id}", params={"min_position": position})
    if answer.status_code == 404:
        db.execute("delete from people where account_id = ?", [account_id])
        return
    row = answer.raise_for_status().json()
    # Who was forgotten and came back has another account with the same Telegram id.
    db.execute("delete from people where telegram_id = ? and account_id <> ?", [telegram_id, row["account_id"]])
    db.execute(
        "insert or replace into people values (?, ?, ?, ?, ?, ?, ?)",
        [
            row["account_id"],
            telegram_id,
            row["subscription_type"],
            row["subscription_status"],
            row["subscription_expires_at"],
            row["is_blocked"],
            row["position"],
        ],
    )


@app.exception_handler(httpx.HTTPError)
async def away(_: Request, error: httpx.HTTPError) -> Response:
    return Response("qr-login cannot be asked", status_code=503, headers={"Retry-After": "1"})
