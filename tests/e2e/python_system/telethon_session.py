"""Telethon as the Python system runs it: logs a person in by a QR code, or uses their session file.

    telethon_session.py login FILE    prints a login token in hex, waits for a line, and prints `in`
    telethon_session.py use FILE      prints `in`, or what Telegram says

ADDRESS is host:port of data centre DC; RSA_N and RSA_E are the server's public key.
"""

import asyncio
import os
import sys

import rsa
from telethon import TelegramClient, functions
from telethon.crypto import rsa as server_keys
from telethon.sessions import SQLiteSession


def trust(number, exponent):
    key = rsa.PublicKey(number, exponent)
    server_keys._server_keys[server_keys._compute_fingerprint(key)] = (key, False)


async def main(what, path):
    trust(int(os.environ["RSA_N"]), int(os.environ["RSA_E"]))
    session = SQLiteSession(path)
    if what == "login":
        host, port = os.environ["ADDRESS"].rsplit(":", 1)
        session.set_dc(int(os.environ["DC"]), host, int(port))
    client = TelegramClient(session, 1, "0123456789abcdef0123456789abcdef")
    await client.connect()
    try:
        if what == "login":
            wanted = functions.auth.ExportLoginTokenRequest(1, "0123456789abcdef0123456789abcdef", [])
            print((await client(wanted)).token.hex(), flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            try:
                await client(wanted)
            except Exception:
                # An older Telethon does not read the person as Telegram describes them today. They are in all the same.
                pass
        await client(functions.updates.GetStateRequest())
        if os.environ.get("READS_USERS"):
            await client.get_me()
        print("in", flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    await client.disconnect()


asyncio.run(main(*sys.argv[1:]))
