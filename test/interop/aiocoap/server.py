# A server made of aiocoap, for the interop tests: python server.py ADDRESS PORT. Says "ready" when it listens.
import asyncio
import sys

import aiocoap
from aiocoap import resource
from aiocoap.numbers.codes import CHANGED, CREATED, DELETED, NOT_FOUND


def pattern(length):
    return bytes(32 + ((index * 7 + (index >> 8)) % 90) for index in range(length))


class Body(resource.Resource):
    def __init__(self, body):
        super().__init__()
        self.body = body

    async def render_get(self, request):
        return aiocoap.Message(payload=self.body, content_format=0)


class Kept(resource.Resource):
    body = None

    async def render_get(self, request):
        if self.body is None:
            return aiocoap.Message(code=NOT_FOUND)
        return aiocoap.Message(payload=self.body, content_format=0)

    async def render_put(self, request):
        code = CREATED if self.body is None else CHANGED
        self.body = request.payload
        return aiocoap.Message(code=code)

    async def render_post(self, request):
        return aiocoap.Message(code=CHANGED, payload=request.payload[::-1])

    async def render_fetch(self, request):
        return aiocoap.Message(payload=request.payload[::-1])

    async def render_delete(self, request):
        self.body = None
        return aiocoap.Message(code=DELETED)


class Slow(resource.Resource):
    async def render_get(self, request):
        await asyncio.sleep(1.2)
        return aiocoap.Message(payload=b"at last")


class Counting(resource.ObservableResource):
    """Counts up five times a second while somebody observes it."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self.task = None

    def update_observation_count(self, newcount):
        if newcount > 0 and self.task is None:
            self.task = asyncio.get_running_loop().create_task(self.run())
        if newcount == 0 and self.task is not None:
            self.task.cancel()
            self.task = None

    async def run(self):
        while True:
            await asyncio.sleep(0.2)
            self.count += 1
            self.updated_state()

    async def render_get(self, request):
        return aiocoap.Message(payload=str(self.count).encode())


class Observers(resource.Resource):
    def __init__(self, counting):
        super().__init__()
        self.counting = counting

    async def render_get(self, request):
        return aiocoap.Message(payload=b"some" if self.counting.task else b"none")


async def main():
    site = resource.Site()
    counting = Counting()
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
    site.add_resource(["big"], Body(pattern(65536)))
    site.add_resource(["megabyte"], Body(pattern(1 << 20)))
    site.add_resource(["kept"], Kept())
    site.add_resource(["slow"], Slow())
    site.add_resource(["count"], counting)
    site.add_resource(["observers"], Observers(counting))
    await aiocoap.Context.create_server_context(site, bind=(sys.argv[1], int(sys.argv[2])))
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


asyncio.run(main())
