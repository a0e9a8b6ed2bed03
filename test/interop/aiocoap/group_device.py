# A device of aiocoap with a group table that can be observed, and group resources: python group_device.py ADDRESS PORT.
# The table changes by PUT to /table, as somebody else's hand would change it.
import asyncio
import json
import sys

import aiocoap
from aiocoap import resource

table = [{"n": "hall", "a": "ff35:30:fd00::1:5", "p": 61616}]


def as_json(value):
    return aiocoap.Message(payload=json.dumps(value).encode(), content_format=50)


class Identity(resource.Resource):
    rt = "gw.device"

    async def render_get(self, request):
        return as_json({"eui64": "020000fffe0000a1", "serial": "PY-1", "model": "aiocoap", "type": "luminaire"})


class Table(resource.ObservableResource):
    rt = "gw.groups"

    async def render_get(self, request):
        return as_json(table)

    def replace(self, entries):
        table[:] = entries
        self.updated_state()


class Hand(resource.Resource):
    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    async def render_put(self, request):
        self.groups.replace(json.loads(request.payload))
        return aiocoap.Message(code=aiocoap.CHANGED)


class Group(resource.Resource):
    rt = "g.light"

    async def render_get(self, request):
        return aiocoap.Message(payload=b"")


async def main():
    groups = Table()
    site = resource.Site()
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
    site.add_resource(["dev"], Identity())
    site.add_resource(["groups"], groups)
    site.add_resource(["table"], Hand(groups))
    site.add_resource(["gp", "hall"], Group())
    site.add_resource(["gp", "other"], Group())
    await aiocoap.Context.create_server_context(site, bind=(sys.argv[1], int(sys.argv[2])))
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


asyncio.run(main())
