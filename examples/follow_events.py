"""A worker that follows the log of qr-login and keeps a table of people from it, each event exactly once.

It stores its position in the same transaction as the table. So whenever it dies, it goes on with the event after the last one whose
effect is stored: none is missed, none counts twice. A log that is another one from some position on (a database that was restored
without its tail) is refused with 409: then it begins anew.

The table knows people by their account id. Who that is in Telegram is in the API: `GET /api/v1/users?…` with the scope users:read.

Run it:  QR_LOGIN_URL=https://login.example QR_LOGIN_KEY=qrl_… python follow_events.py   (the key needs the scope events:read)
See it:  python follow_events.py show
"""

import json
import os
import sqlite3
import sys
import time

import httpx

#: What it takes from the log. The list of events may grow: what is not named here is not sent.
TYPES = [
    "AccountRegistered",
    "AuthorizationConfirmed",
    "SubscriptionActivated",
    "SubscriptionChanged",
    "SubscriptionExpired",
    "SubscriptionRevoked",
    "SubscriptionImported",
    "AccountBlocked",
    "AccountUnblocked",
    "SessionImported",
    "LoggedOut",
    "AuthorizationRevoked",
    "SessionRejected",
    "SessionReturned",
    "AccountErased",
]
#: How long the server holds a question that has no answer yet.
WAIT_SECONDS = 25


def open_table(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    with db:
        db.execute("""create table if not exists people (
            account_id text primary key, login_id text, tier text not null default 'free', status text not null default 'none',
            expires_at text, is_blocked integer not null default 0, changes integer not null default 0)""")
        db.execute(
            "create table if not exists place (only_one integer primary key check (only_one = 1), position integer, log text)"
        )
        db.execute("insert or ignore into place values (1, 0, null)")
    return db


def apply(db: sqlite3.Connection, event: dict) -> None:
    """What an event changes. One about somebody who is not in the table (any more) changes nothing."""
    said = event["payload"]
    person = event["stream_id"] if event["stream"] == "account" else event["account_id"]
    match event["event"]:
        case "AccountRegistered":
            db.execute("insert into people (account_id) values (?)", [person])
        case "AuthorizationConfirmed":
            db.execute("update people set login_id = ? where account_id = ?", [event["stream_id"], person])
        case "SessionImported":
            db.execute("update people set login_id = ? where account_id = ?", [said["login_id"], person])
        case "LoggedOut" | "AuthorizationRevoked" | "SessionRejected" | "SessionReturned":
            # The end of an older login's session does not end the one that is linked now.
            db.execute(
                "update people set login_id = null where account_id = ? and login_id = ?", [person, said["login_id"]]
            )
        case "SubscriptionActivated" | "SubscriptionChanged" | "SubscriptionImported":
            # One that was imported may have been over there already.
            tier, status = ("free", "expired") if said.get("is_over") else (said["tier"], "active")
            change = [tier, status, said["expires_at"], person]
            db.execute("update people set tier = ?, status = ?, expires_at = ? where account_id = ?", change)
        case "SubscriptionExpired" | "SubscriptionRevoked":
            db.execute("update people set tier = 'free', status = 'expired' where account_id = ?", [person])
        case "AccountBlocked" | "AccountUnblocked":
            db.execute(
                "update people set is_blocked = ? where account_id = ?", [event["event"] == "AccountBlocked", person]
            )
        case "AccountErased":
            db.execute("delete from people where account_id = ?", [person])
    # Not one too many, and not one too few: a count would show it.
    db.execute("update people set changes = changes + 1 where account_id = ?", [person])


def take_page(db: sqlite3.Connection, api: httpx.Client) -> None:
    """Asks for what came after the last event, and stores what it says, together with how far that is."""
    position, log = db.execute("select position, log from place").fetchone()
    query = {"after": position, "limit": 200, "wait": WAIT_SECONDS, "type": TYPES} | ({"log": log} if log else {})
    answer = api.get("events", params=query)
    if answer.status_code == 409:
        print("the log has changed behind this position: beginning anew", file=sys.stderr, flush=True)
        with db:
            db.execute("delete from people")
            db.execute("update place set position = 0, log = null")
        return
    page = answer.raise_for_status().json()
    with db:
        db.execute("begin immediate")
        if db.execute("select position from place").fetchone()[0] != position:
            return  # a second process of this worker was faster
        for event in page["items"]:
            apply(db, event)
        db.execute("update place set position = ?, log = ?", [page["next"], page["log"]])


def follow(db: sqlite3.Connection, api: httpx.Client) -> None:
    tries = 0
    while True:
        try:
            take_page(db, api)
            tries = 0
        except httpx.HTTPStatusError as error:
            if error.response.status_code not in (429, 500, 502, 503, 504):
                raise  # the key is refused, or the question is wrong: nobody answers that differently
            time.sleep(int(error.response.headers.get("Retry-After", 1)))
        except httpx.TransportError:
            tries += 1
            time.sleep(min(30, 0.1 * 2 ** min(tries, 9)))


def show(db: sqlite3.Connection) -> None:
    db.row_factory = sqlite3.Row
    people = [dict(row) for row in db.execute("select * from people order by account_id")]
    print(json.dumps({"position": db.execute("select position from place").fetchone()[0], "people": people}))


def main() -> None:
    db = open_table(os.environ.get("PEOPLE_DB", "people.db"))
    if sys.argv[1:] == ["show"]:
        return show(db)
    base = os.environ["QR_LOGIN_URL"].rstrip("/") + "/api/v1/"
    key = {"Authorization": f"Bearer {os.environ['QR_LOGIN_KEY']}"}
    with httpx.Client(base_url=base, headers=key, timeout=WAIT_SECONDS + 10) as api:
        follow(db, api)


if __name__ == "__main__":
    main()
