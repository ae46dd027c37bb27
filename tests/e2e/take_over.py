"""Takes a session over, as another service would, and prints the id of its user. SESSION holds the session."""

import asyncio
import os

from telethon import TelegramClient, functions, types
from telethon.sessions import StringSession


async def main():
    client = TelegramClient(StringSession(os.environ["SESSION"]), 1, "0123456789abcdef0123456789abcdef")
    await client.connect()
    await client(functions.updates.GetStateRequest())
    users = await client(functions.users.GetUsersRequest([types.InputUserSelf()]))
    print(users[0].id)
    await client.disconnect()


asyncio.run(main())
