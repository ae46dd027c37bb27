"""A worker that acts in a person's account, with a session that qr-login has handed over.

    qr-login session export --user ID --format telethon --yes | python take_session.py take
    python take_session.py run

`take` keeps the session in a file that only this user can read. The text of a session is the account: it goes in by stdin, because
others can see a program's arguments and, often, its environment. `run` says whose account it is, and then counts the messages that come
in, until the session is ended.

After the hand-over this worker is the only one who has the key. Telegram kills a session whose key is used in two places at once:
so run one of it. The person can end the session in Telegram (Settings, Devices) at any time; then the file is deleted, and only a new
login at qr-login gives another session.

API_ID and API_HASH are those of qr-login (TELEGRAM_API_ID, TELEGRAM_API_HASH): a session belongs to the application that made it.
"""

import asyncio
import fcntl
import os
import sys
from pathlib import Path
from typing import TextIO

from telethon import TelegramClient, errors, events
from telethon.sessions import StringSession

FILE = Path(os.environ.get("SESSION_FILE", "person.session.txt"))
#: What Telegram says of a session that is over.
OVER = (
    errors.AuthKeyUnregisteredError,
    errors.SessionRevokedError,
    errors.SessionExpiredError,
    errors.UserDeactivatedBanError,
    errors.AuthKeyDuplicatedError,
)
#: How often it is asked whether the session lives: a silent account hears of its end so.
LOOK_SECONDS = float(os.environ.get("LOOK_SECONDS", "60"))


def take() -> None:
    text = sys.stdin.readline().strip()
    if not text:
        sys.exit("no session came by stdin")
    StringSession(text)  # raises where it is no session
    # First the whole text in another file, then its name: a worker that dies in between leaves no half session.
    beside = FILE.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(FILE)
    print("taken", flush=True)


async def run() -> int:
    lock = open(FILE)  # held until this process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another process uses this session", file=sys.stderr)
        return 1
    client = TelegramClient(StringSession(lock.read()), int(os.environ["API_ID"]), os.environ["API_HASH"])
    # Not start(): that would ask for a phone number where the session is over.
    await client.connect()
    try:
        me = await client.get_me()
        if me is None:
            return over(lock)
        print(f"works as {me.id}", flush=True)
        came = 0

        @client.on(events.NewMessage(incoming=True))
        async def count(_: events.NewMessage.Event) -> None:
            nonlocal came
            came += 1

        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if await client.get_me() is None:
                return over(lock)
            print(f"{came} messages so far", flush=True)
    except OVER:
        return over(lock)
    finally:
        await client.disconnect()


def over(lock: TextIO) -> int:
    # Not a newer session that was taken meanwhile.
    if FILE.exists() and os.path.samestat(os.stat(FILE), os.fstat(lock.fileno())):
        FILE.unlink()
    print("the session is over: ask the person to log in again", flush=True)
    return 3


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["take"]:
            take()
        case ["run"]:
            sys.exit(asyncio.run(run()))
        case _:
            sys.exit(__doc__)
