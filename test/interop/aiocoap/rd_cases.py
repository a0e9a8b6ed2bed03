# aiocoap's client against a directory: what its own test suite asks of one (discovery, registration), and the operations that follow.
# Argument: the directory's origin. One line for each case: its name and what came of it.
import asyncio
import sys

import aiocoap
from aiocoap.util.linkformat import parse

ORIGIN = sys.argv[1]
LINKS = b'</sensors/temp>;ct=41;rt="temperature-c";if="sensor",</sensors/light>;ct=41;rt="light-lux";if="sensor"'


async def main():
    context = await aiocoap.Context.create_client_context()

    async def ask(code, path, payload=b"", content_format=None):
        message = aiocoap.Message(code=code, uri=ORIGIN + path, payload=payload)
        if content_format is not None:
            message.opt.content_format = content_format
        return await context.request(message).response

    def say(case, *results):
        print(case, *results, sep="\t", flush=True)

    discovery = await ask(aiocoap.GET, "/.well-known/core?rt=core.rd*")
    links = parse(discovery.payload.decode("utf8")).links
    targets = {}
    for rt in ("core.rd", "core.rd-lookup-ep", "core.rd-lookup-res"):
        found = [link.href for link in links if rt in " ".join(link.rt).split()]
        targets[rt] = found[0]
        say("discovery of " + rt, len(found))

    created = await ask(aiocoap.POST, targets["core.rd"] + "?ep=node1&et=x.node", LINKS, 40)
    location = "/" + "/".join(created.opt.location_path)
    say("registration", created.code.dotted, len(created.opt.location_path) > 0)

    again = await ask(aiocoap.POST, targets["core.rd"] + "?ep=node1&et=x.node", LINKS, 40)
    say("registration again", again.code.dotted, "/" + "/".join(again.opt.location_path) == location)

    resources = await ask(aiocoap.GET, targets["core.rd-lookup-res"] + "?rt=light-lux")
    found = parse(resources.payload.decode("utf8")).links
    say("resource lookup", resources.code.dotted, len(found), found[0].href.endswith("/sensors/light"))

    endpoints = await ask(aiocoap.GET, targets["core.rd-lookup-ep"] + "?et=x.node")
    found = parse(endpoints.payload.decode("utf8")).links
    say("endpoint lookup", endpoints.code.dotted, len(found), found[0].href == location)

    page = await ask(aiocoap.GET, targets["core.rd-lookup-res"] + "?count=1&page=1")
    say("second page of one", page.code.dotted, len(parse(page.payload.decode("utf8")).links))

    update = await ask(aiocoap.POST, location + "?lt=600&base=coap://local.example")
    say("update", update.code.dotted)
    moved = await ask(aiocoap.GET, targets["core.rd-lookup-res"] + "?rt=light-lux")
    say("lookup after the update", parse(moved.payload.decode("utf8")).links[0].href)

    read = await ask(aiocoap.GET, location)
    say("reading", read.code.dotted, read.payload == LINKS)

    say("no name", (await ask(aiocoap.POST, targets["core.rd"], LINKS, 40)).code.dotted)
    say("no links", (await ask(aiocoap.POST, targets["core.rd"] + "?ep=node2", b"<", 40)).code.dotted)

    say("removal", (await ask(aiocoap.DELETE, location)).code.dotted)
    say("removal again", (await ask(aiocoap.DELETE, location)).code.dotted)
    empty = await ask(aiocoap.GET, targets["core.rd-lookup-res"] + "?rt=light-lux")
    say("lookup of nothing", empty.code.dotted, len(empty.payload))


asyncio.run(main())
