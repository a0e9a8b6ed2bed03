# A server made of aiocoap with OSCORE, for the interop tests: python oscore_server.py ADDRESS PORT SPEC.json. Says "ready" when it listens.
import asyncio
import json
import sys

import aiocoap
from aiocoap import credentials, resource
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper

import oscore_contexts


class Hello(resource.Resource):
    async def render_get(self, request):
        return aiocoap.Message(payload=b"hello from aiocoap", content_format=0)


class Reverse(resource.Resource):
    async def render_post(self, request):
        return aiocoap.Message(code=aiocoap.CHANGED, payload=request.payload[::-1])


class Large(resource.Resource):
    async def render_get(self, request):
        return aiocoap.Message(payload=bytes(index % 251 for index in range(4000)))


class Counter(resource.ObservableResource):
    count = 0

    async def add_observation(self, request, serverobservation):
        await super().add_observation(request, serverobservation)

        async def run():
            for _ in range(4):
                await asyncio.sleep(0.2)
                self.count += 1
                self.updated_state()

        self.task = asyncio.get_running_loop().create_task(run())

    async def render_get(self, request):
        return aiocoap.Message(payload=str(self.count).encode())


async def main():
    address, port, path = sys.argv[1:4]
    with open(path) as file:
        spec = json.load(file)
    site = resource.Site()
    site.add_resource(["hello"], Hello())
    site.add_resource(["reverse"], Reverse())
    site.add_resource(["large"], Large())
    site.add_resource(["counter"], Counter())
    known = credentials.CredentialsMap()
    known[":peer"] = oscore_contexts.make(spec, "server", "client")
    await aiocoap.Context.create_server_context(OscoreSiteWrapper(site, known), bind=(address, int(port)), transports=["udp6"])
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


asyncio.run(main())
