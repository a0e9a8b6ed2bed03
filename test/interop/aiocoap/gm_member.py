# A member made of aiocoap, cbor2 and cryptography: joins a group at a Group Manager by the wire protocol (RFC 9594,
# draft-ietf-ace-key-groupcomm-oscore-21), talks with the keys it got, takes new keys at a resource of its own, leaves.
# python gm_member.py SPEC.json; prints one JSON line for each step. SPEC: port, own, group, roles, context, curve, peer or serve.
import asyncio
import json
import os
import sys

import aiocoap
import cbor2
from aiocoap import credentials, oscore, resource
from aiocoap.numbers import ContentFormat
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import oscore_contexts

GROUPCOMM = 261


def say(step, **more):
    print(json.dumps({"step": step, **more}), flush=True)


class Keys:
    def __init__(self, curve, alg):
        self.curve = curve
        if curve == "P-256":
            self.private = ec.generate_private_key(ec.SECP256R1())
            numbers = self.private.public_key().public_numbers()
            key = {1: 2, 3: alg, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
            self.raw = self.private.private_numbers().private_value.to_bytes(32, "big")
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()
            x = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            key = {1: 1, 3: alg, -1: 6, -2: x}
            self.raw = self.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        self.credential = cbor2.dumps({8: {1: key}})

    def sign(self, data):
        if self.curve != "P-256":
            return self.private.sign(data)
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify(credential, data, signature):
    key = cbor2.loads(credential)[8][1]
    if key[1] == 1:
        ed25519.Ed25519PublicKey.from_public_bytes(key[-2]).verify(signature, data)
    else:
        public = ec.EllipticCurvePublicNumbers(int.from_bytes(key[-2], "big"), int.from_bytes(key[-3], "big"), ec.SECP256R1()).public_key()
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        public.verify(der, data, ec.ECDSA(hashes.SHA256()))


class Member:
    def __init__(self, spec):
        self.spec = spec
        self.peers = {}
        self.base = f"coap://[::1]:{spec['port']}"
        self.rekeyed = asyncio.Event()

    async def ask(self, code, path, value=None, raw=None):
        message = aiocoap.Message(code=code, uri=f"{self.base}/ace-group/{self.spec['group']}{path}")
        if value is not None or raw is not None:
            message.payload = raw if raw is not None else cbor2.dumps(value)
            message.opt.content_format = ContentFormat(GROUPCOMM)
        return await asyncio.wait_for(self.context.request(message).response, 20)

    async def bring_token(self):
        """RFC 9203: a token from the authorisation server, and the context that it makes at the Group Manager."""

        async def post(path, value):
            message = aiocoap.Message(code=aiocoap.POST, uri=f"{self.base}/{path}", payload=cbor2.dumps(value))
            message.opt.content_format = ContentFormat(19)
            return await asyncio.wait_for(self.context.request(message).response, 20)

        issued = await post("token", {9: cbor2.dumps([[self.spec["group"], self.spec["roles"]]])})
        token = cbor2.loads(issued.payload)
        material = token[8][4]
        # Nothing protects what comes now.
        del self.context.client_credentials[f"{self.base}/*"]
        nonce, own = os.urandom(8), b"\x16"
        transferred = await post("authz-info", {1: token[1], 40: nonce, 43: own, 45: None, 47: None})
        answer = cbor2.loads(transferred.payload)
        salt = cbor2.dumps(material.get(5, b"")) + cbor2.dumps(nonce) + cbor2.dumps(answer[42])
        spec = {
            "client": answer[44].hex(),
            "server": own.hex(),
            "masterSecret": material[2].hex(),
            "masterSalt": salt.hex(),
            "aead": material.get(4, 10),
            "hkdf": material.get(3, 5),
        }
        context = oscore_contexts.unicast(spec, "client", "server")
        self.known[":token"] = context
        self.context.client_credentials[":token"] = context
        self.context.client_credentials[f"{self.base}/*"] = ":token"
        say("token", issued=issued.code.dotted, transferred=transferred.code.dotted, profile=token.get(38), info=answer[45])
        return answer[46]

    async def join(self):
        challenge = await self.bring_token() if self.spec.get("ace") else None
        hints = cbor2.loads((await self.ask(aiocoap.POST, "")).payload)
        if challenge is not None:
            # Each answer to an empty Join Request replaces the challenge that came with the token.
            assert hints[30] != challenge
        _, alg, _, (_, crv), fmt = hints[29][0]
        self.keys = Keys("P-256" if crv == 1 else "Ed25519", alg)
        scope, nonce = cbor2.dumps([self.spec["group"], self.spec["roles"]]), os.urandom(8)
        evidence = self.keys.sign(cbor2.dumps(scope) + cbor2.dumps(hints[30]) + cbor2.dumps(nonce))
        request = {3: scope, 4: None, 5: self.keys.credential, 6: nonce, 24: evidence, 26: f"coap://[::1]:{self.spec['own']}/grp-rek"}
        response = await self.ask(aiocoap.POST, "", request)
        if not response.code.is_successful():
            raise SystemExit(f"join: {response.code} {response.payload.hex()}")
        answer = cbor2.loads(response.payload)
        verify(answer[17], cbor2.dumps(nonce) + cbor2.dumps(answer[18]), answer[19])
        self.node = response.opt.location_path[-1]
        self.manager_credential = answer[17]
        self.key = answer[8]
        self.num = answer[9]
        self.learn(answer)
        say("joined", code=response.code.dotted, node=self.node, sid=self.key[7].hex(), num=self.num, gkty=answer[7], profile=answer[10], fmt=fmt)

    def learn(self, answer):
        for credential, sender in zip(answer.get(13, []), answer.get(15, [])):
            if sender != self.key[7]:
                self.peers[sender] = credential

    def rekey(self, message):
        assert message[7] == 1 and message[10] == 1
        for stale in message[34]:
            self.peers.pop(stale, None)
        self.key = {**self.key, **message[8]}
        self.num = message[9]

    def group_context(self):
        members = [{"senderId": i.hex(), "credential": c.hex()} for i, c in self.peers.items()]
        members.append({"senderId": self.key[7].hex(), "credential": self.keys.credential.hex(), "private": self.keys.raw.hex()})
        return oscore_contexts.group(
            {
                "gid": self.key[6].hex(),
                "masterSecret": self.key[2].hex(),
                "masterSalt": self.key.get(5, b"").hex(),
                "aead": self.key[4],
                "groupEncryption": self.key[9],
                "hkdf": self.key.get(3, 5),
                "signature": self.key[10],
                "groupManagerCredential": self.manager_credential.hex(),
                "members": members,
                "answers": "group",
                "me": self.key[7].hex(),
            },
            "me",
        )

    async def patiently(self, uri):
        """Whoever does not know the sender yet says so unprotected and looks for its credential meanwhile (5.03)."""
        for pause in (0.5, 1, 0):
            try:
                return await asyncio.wait_for(self.context.request(aiocoap.Message(code=aiocoap.GET, uri=uri)).response, 20)
            except oscore.NotAProtectedMessage:
                if pause == 0:
                    raise
                await asyncio.sleep(pause)

    async def talk(self, step):
        target = f"coap://[::1]:{self.spec['peer']}"
        context = self.group_context()
        self.context.client_credentials[":group"] = context
        self.context.client_credentials[f"{target}/*"] = ":group"
        response = await self.patiently(f"{target}/who")
        say(step, code=response.code.dotted, text=response.payload.decode())
        peer = next(iter(self.peers))
        self.context.client_credentials[":pairwise"] = context.pairwise_for(peer)
        self.context.client_credentials[f"{target}/*"] = ":pairwise"
        response = await self.patiently(f"{target}/who")
        say(f"{step} pairwise", code=response.code.dotted, text=response.payload.decode())


class Rekeying(resource.Resource):
    def __init__(self, member):
        super().__init__()
        self.member = member

    async def render_post(self, request):
        self.member.rekey(cbor2.loads(request.payload))
        self.member.rekeyed.set()
        return aiocoap.Message(code=aiocoap.CHANGED)

    async def render_delete(self, request):
        say("evicted")
        return aiocoap.Message(code=aiocoap.DELETED)


class Who(resource.Resource):
    async def render_get(self, request):
        return aiocoap.Message(payload=b"aiocoap")


async def line():
    return (await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)).strip()


async def main():
    with open(sys.argv[1]) as file:
        spec = json.load(file)
    member = Member(spec)
    member.known = credentials.CredentialsMap()
    site = resource.Site()
    site.add_resource(["grp-rek"], Rekeying(member))
    site.add_resource(["who"], Who())
    known = member.known
    manager = oscore_contexts.unicast(spec["context"], "client", "server")
    known[":manager"] = manager
    member.context = await aiocoap.Context.create_server_context(
        OscoreSiteWrapper(site, known), bind=("::1", spec["own"]), transports=["oscore", "udp6"]
    )
    member.context.client_credentials[":manager"] = manager
    member.context.client_credentials[f"{member.base}/*"] = ":manager"
    await member.join()
    # What happens next comes as one word a line.
    while True:
        word = await line()
        if word in ("", "end"):
            break
        if word == "credentials":
            member.learn(cbor2.loads((await member.ask(aiocoap.GET, "/creds")).payload))
            say(word, known=len(member.peers))
        elif word == "serve":
            known[":group"] = member.group_context()
            say(word)
        elif word == "talk":
            await member.talk(word)
        elif word == "rekeyed":
            await asyncio.wait_for(member.rekeyed.wait(), 20)
            member.rekeyed.clear()
            say(word, num=member.num, gid=member.key[6].hex())
        elif word == "num":
            response = await member.ask(aiocoap.GET, "/num")
            say(word, code=response.code.dotted, num=cbor2.loads(response.payload) if response.code.is_successful() else None)
        elif word == "renew":
            response = await member.ask(aiocoap.POST, f"/nodes/{member.node}")
            member.key[7] = cbor2.loads(response.payload)[21]
            say(word, code=response.code.dotted, sid=member.key[7].hex())
        elif word == "leave":
            response = await member.ask(aiocoap.DELETE, f"/nodes/{member.node}")
            say(word, code=response.code.dotted)
    await member.context.shutdown()


asyncio.run(main())
