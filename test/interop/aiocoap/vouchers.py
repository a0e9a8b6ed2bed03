# Vouchers by cbor2 and cryptography, straight from the documents: signs one, or verifies one and shows what it says.
#   vouchers.py sign KEY.pem SERIAL NONCE-HEX PIN.der OUT CERTIFICATE.der...
#   vouchers.py verify VOUCHER CERTIFICATE.der
import json
import sys

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

VOUCHER, ASSERTION, CREATED, NONCE, PINNED, SERIAL = 2451, 1, 2, 7, 8, 11
X5BAG = 32


def kind(key):
    """COSE algorithm, hash and bytes of a coordinate."""
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey)):
        return -8, None, 32
    return {256: (-7, hashes.SHA256(), 32), 384: (-35, hashes.SHA384(), 48)}[key.curve.key_size]


def to_be_signed(protected, payload):
    return cbor2.dumps(["Signature1", protected, b"", payload])


def sign(key_file, serial, nonce, pin_file, out, *certificates):
    key = serialization.load_pem_private_key(open(key_file, "rb").read(), None)
    algorithm, hasher, size = kind(key)
    protected = cbor2.dumps({1: algorithm})
    data = {
        ASSERTION: 2,
        CREATED: "2026-06-01T00:00:00Z",
        NONCE: bytes.fromhex(nonce),
        PINNED: open(pin_file, "rb").read(),
        SERIAL: serial,
    }
    payload = cbor2.dumps({VOUCHER: data})
    message = to_be_signed(protected, payload)
    if hasher is None:
        signature = key.sign(message)
    else:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hasher)))
        signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    bag = [open(name, "rb").read() for name in certificates]
    beside = {} if not bag else {X5BAG: bag[0] if len(bag) == 1 else bag}
    open(out, "wb").write(cbor2.dumps(cbor2.CBORTag(18, [protected, beside, payload, signature])))


def verify(voucher, certificate):
    tagged = cbor2.loads(open(voucher, "rb").read())
    assert tagged.tag == 18
    protected, beside, payload, signature = tagged.value
    key = x509.load_der_x509_certificate(open(certificate, "rb").read()).public_key()
    algorithm, hasher, size = kind(key)
    assert cbor2.loads(protected)[1] == algorithm
    message = to_be_signed(protected, payload)
    if hasher is None:
        key.verify(signature, message)
    else:
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hasher))
    data = cbor2.loads(payload)[VOUCHER]
    bag = beside.get(X5BAG, [])
    shown = {str(sid): value.hex() if isinstance(value, bytes) else value for sid, value in data.items()}
    print(json.dumps({"data": shown, "bag": [one.hex() for one in ([bag] if isinstance(bag, bytes) else bag)]}))


{"sign": sign, "verify": verify}[sys.argv[1]](*sys.argv[2:])
