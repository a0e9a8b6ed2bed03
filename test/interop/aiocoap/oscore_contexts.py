# Security contexts of aiocoap from a JSON description, the same that the test makes its own of.
import json
import os
import tempfile

from aiocoap import oscore
from cryptography.hazmat.primitives.asymmetric import ec

HASHES = {5: "sha256", 6: "sha384", 7: "sha512"}


class P256Agreement(oscore.ECDSA_SHA256_P256):
    """ECDH on P-256 by the number that the draft gives it; aiocoap itself announces that of the signature."""

    value = -27


class Ed25519ByRfc9864(oscore.Ed25519):
    value = -19


def by_value(number):
    for algorithm in oscore.algorithms.values():
        if getattr(algorithm, "value", None) == number:
            return algorithm
    raise ValueError(number)


def unicast(spec, own, peer):
    basedir = tempfile.mkdtemp(prefix="oscore-")
    settings = {
        "sender-id_hex": spec[own],
        "recipient-id_hex": spec[peer],
        "secret_hex": spec["masterSecret"],
        "salt_hex": spec["masterSalt"],
        "algorithm": next(name for name, a in oscore.algorithms.items() if getattr(a, "value", None) == spec["aead"]),
        "kdf-hashfun": HASHES[spec["hkdf"]],
    }
    if spec.get("idContext") is not None:
        settings["id-context_hex"] = spec["idContext"]
    with open(os.path.join(basedir, "settings.json"), "w") as file:
        json.dump(settings, file)
    if spec.get("windowLost"):
        # As after a crash: the next request has to repeat an Echo value.
        with open(os.path.join(basedir, "sequence.json"), "w") as file:
            json.dump({"next-to-send": 100, "received": "unknown"}, file)
    return oscore.FilesystemSecurityContext(basedir)


def group(spec, own):
    members = {m["senderId"]: m for m in spec["members"]}
    mine = members[spec[own]]
    is_p256 = spec["signature"] in (-7, -9)
    if is_p256:
        signature, agreement = oscore.ECDSA_SHA256_P256(), P256Agreement()
        private = ec.derive_private_key(int(mine["private"], 16), ec.SECP256R1())
    else:
        signature = oscore.Ed25519() if spec["signature"] == -8 else Ed25519ByRfc9864()
        agreement = oscore.EcdhSsHkdf256()
        private = bytes.fromhex(mine["private"])
    context = oscore.SimpleGroupContext(
        alg_aead=by_value(spec["aead"]),
        hashfun=oscore.hashfunctions[HASHES[spec["hkdf"]]],
        alg_signature=signature,
        alg_group_enc=by_value(spec["groupEncryption"]),
        alg_pairwise_key_agreement=agreement,
        group_id=bytes.fromhex(spec["gid"]),
        master_secret=bytes.fromhex(spec["masterSecret"]),
        master_salt=bytes.fromhex(spec["masterSalt"]),
        sender_id=bytes.fromhex(spec[own]),
        private_key=private,
        sender_auth_cred=bytes.fromhex(mine["credential"]),
        peers={bytes.fromhex(i): bytes.fromhex(m["credential"]) for i, m in members.items() if i != spec[own]},
        group_manager_cred=bytes.fromhex(spec["groupManagerCredential"]),
    )
    if spec.get("answers") == "group":
        # By default it answers group requests in pairwise mode.
        oscore._GroupContextAspect.context_for_response = lambda aspect: aspect.groupcontext
    return context


def make(spec, own, peer):
    return unicast(spec, own, peer) if spec["kind"] == "oscore" else group(spec, own)
