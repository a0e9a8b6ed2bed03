# A client made of aiocoap that observes, for the interop tests: python observe.py URI COUNT. One line for each notification.
import asyncio
import sys

import aiocoap


async def main():
    context = await aiocoap.Context.create_client_context()
    request = context.request(aiocoap.Message(code=aiocoap.GET, uri=sys.argv[1], observe=0))
    print((await request.response).payload.decode().strip(), flush=True)
    left = int(sys.argv[2]) - 1
    async for notification in request.observation:
        print(notification.payload.decode().strip(), flush=True)
        left -= 1
        if left == 0:
            break
    request.observation.cancel()
    await context.shutdown()


asyncio.run(main())
