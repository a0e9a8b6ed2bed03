# A client made of aiocoap with OSCORE, for the interop tests: python oscore_client.py PORT SPEC.json. Prints one JSON line for each answer.
import asyncio
import json
import sys

import aiocoap

import oscore_contexts


def tell(name, message):
    print(json.dumps({"name": name, "code": message.code.dotted, "payload": message.payload.hex()}), flush=True)


async def main():
    port, path = sys.argv[1:3]
    with open(path) as file:
        spec = json.load(file)
    base = f"coap://[::1]:{port}"
    client = await aiocoap.Context.create_client_context(transports=["oscore", "udp6"])
    context = oscore_contexts.make(spec, "client", "server")
    if spec.get("mode") == "pairwise":
        context = context.pairwise_for(bytes.fromhex(spec["server"]))
    client.client_credentials[":peer"] = context
    client.client_credentials[f"{base}/*"] = ":peer"

    async def ask(name, method, target, payload=b""):
        request = aiocoap.Message(code=method, uri=f"{base}{target}", payload=payload)
        tell(name, await asyncio.wait_for(client.request(request).response, 20))

    await ask("hello", aiocoap.GET, "/hello?who=aiocoap")
    await ask("reverse", aiocoap.POST, "/reverse", b"abcdef")
    await ask("missing", aiocoap.GET, "/nowhere")
    if spec.get("mode") != "group":
        await ask("large", aiocoap.POST, "/reverse", bytes(index % 251 for index in range(3000)))
        await ask("fetched", aiocoap.GET, "/large")
    observation = client.request(aiocoap.Message(code=aiocoap.GET, uri=f"{base}/counter", observe=0))
    tell("observed", await asyncio.wait_for(observation.response, 20))
    seen = 0
    async for notification in observation.observation:
        tell("observed", notification)
        seen += 1
        if seen == 3:
            break
    if spec.get("rounds"):
        start = asyncio.get_running_loop().time()
        for _ in range(spec["rounds"]):
            await client.request(aiocoap.Message(code=aiocoap.GET, uri=f"{base}/hello")).response
        print(json.dumps({"name": "rate", "code": "", "payload": str(spec["rounds"] / (asyncio.get_running_loop().time() - start))}), flush=True)
    await client.shutdown()


asyncio.run(main())
