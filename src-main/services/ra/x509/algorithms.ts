// AlgorithmIdentifiers of signatures, hashes and MACs, and what they stand for here (RFC 9481 §2 to §6).
import type { HashName, SignatureScheme, SigningAlgorithm } from '#main/base/index.ts'
import { DerFields, elementsOf, integerValue, invalidDer, NULL, Oid, oid, oidText, readDer, sequence, Tag, type Der } from '../der/index.ts'

export interface AlgorithmIdentifier {
  readonly algorithm: string
  /** DER of the parameters. */
  readonly parameters?: Uint8Array
}

export function readAlgorithm(element: Der): AlgorithmIdentifier {
  const fields = new DerFields(element)
  const algorithm = oidText(fields.field(Tag.OID))
  const parameters = fields.done ? undefined : fields.any().bytes
  fields.end()
  return parameters === undefined ? { algorithm } : { algorithm, parameters }
}

export function encodeAlgorithm({ algorithm, parameters }: AlgorithmIdentifier): Uint8Array {
  return sequence(oid(algorithm), parameters)
}

const SCHEMES: Readonly<Record<string, SignatureScheme>> = {
  [Oid.ecdsaWithSha256]: { family: 'ecdsa', hash: 'sha256' },
  [Oid.ecdsaWithSha384]: { family: 'ecdsa', hash: 'sha384' },
  [Oid.ecdsaWithSha512]: { family: 'ecdsa', hash: 'sha512' },
  [Oid.ed25519]: { family: 'ed25519' },
  [Oid.sha256WithRsa]: { family: 'rsa', hash: 'sha256' },
  [Oid.sha384WithRsa]: { family: 'rsa', hash: 'sha384' },
  [Oid.sha512WithRsa]: { family: 'rsa', hash: 'sha512' },
}

/** The signature scheme, or undefined where it is none that is accepted here (SHA-1 is not). */
export function schemeOf(algorithm: AlgorithmIdentifier): SignatureScheme | undefined {
  if (algorithm.algorithm === Oid.rsassaPss) return pssScheme(algorithm.parameters)
  return Object.hasOwn(SCHEMES, algorithm.algorithm) ? SCHEMES[algorithm.algorithm] : undefined
}

/** RSASSA-PSS-params (RFC 4055 §3.1): the mask's hash must be the same, and its salt as long as the hash. */
function pssScheme(parameters: Uint8Array | undefined): SignatureScheme | undefined {
  if (parameters === undefined) return undefined
  const fields = new DerFields(readDer(parameters))
  const hashField = fields.explicit(0)
  const mask = fields.explicit(1)
  const salt = fields.explicit(2)
  fields.explicit(3)
  fields.end()
  const name = hashField === undefined ? undefined : hashOf(readAlgorithm(hashField))
  if (name === undefined || name === 'sha1' || mask === undefined || salt === undefined) return undefined
  const { parameters: maskHash } = readAlgorithm(mask)
  if (maskHash === undefined || hashOf(readAlgorithm(readDer(maskHash))) !== name) return undefined
  integerValue(salt)
  return { family: 'rsa-pss', hash: name }
}

const BY_KEY: Readonly<Record<SigningAlgorithm, string>> = {
  'P-256': Oid.ecdsaWithSha256,
  'P-384': Oid.ecdsaWithSha384,
  Ed25519: Oid.ed25519,
}

/** What a key of ours signs with. */
export function signatureAlgorithmOf(key: SigningAlgorithm): AlgorithmIdentifier {
  return { algorithm: BY_KEY[key] }
}

const HASHES: ReadonlyArray<readonly [string, HashName]> = [
  [Oid.sha1, 'sha1'],
  [Oid.sha256, 'sha256'],
  [Oid.sha384, 'sha384'],
  [Oid.sha512, 'sha512'],
]

export function hashOf({ algorithm }: AlgorithmIdentifier): HashName | undefined {
  return HASHES.find(([known]) => known === algorithm)?.[1]
}

export function hashAlgorithm(name: HashName): AlgorithmIdentifier {
  return { algorithm: HASHES.find(([, known]) => known === name)?.[0] ?? Oid.sha256 }
}

const MACS: ReadonlyArray<readonly [string, HashName]> = [
  [Oid.hmacSha1, 'sha1'],
  [Oid.hmacWithSha1, 'sha1'],
  [Oid.hmacWithSha256, 'sha256'],
  [Oid.hmacWithSha384, 'sha384'],
  [Oid.hmacWithSha512, 'sha512'],
]

/** The hash of an HMAC. */
export function hmacHashOf({ algorithm }: AlgorithmIdentifier): HashName | undefined {
  return MACS.find(([known]) => known === algorithm)?.[1]
}

export function hmacAlgorithm(name: Exclude<HashName, 'sha1'>): AlgorithmIdentifier {
  return { algorithm: MACS.find(([, known]) => known === name)?.[0] ?? Oid.hmacWithSha256, parameters: NULL }
}

/** Hash of certHash: that of the certificate's signature (RFC 9810 §5.3.18); SHA-512 for Ed25519 (RFC 9481 §3.3). */
export function certificateHashOf(signature: AlgorithmIdentifier): HashName | undefined {
  const scheme = schemeOf(signature)
  return scheme === undefined ? undefined : (scheme.hash ?? 'sha512')
}

/** `SubjectPublicKeyInfo` starts with this; which kind of key a template or request speaks of. */
export function keyTypeOf(spki: Uint8Array): string {
  const [algorithm] = elementsOf(readDer(spki))
  if (algorithm === undefined) throw invalidDer('a key without algorithm')
  const { algorithm: type, parameters } = readAlgorithm(algorithm)
  if (type !== Oid.ecPublicKey) return type === Oid.ed25519 ? 'Ed25519' : type === Oid.rsaEncryption ? 'RSA' : type
  const curve = parameters === undefined ? '' : oidText(readDer(parameters))
  return curve === Oid.prime256v1 ? 'P-256' : curve === Oid.secp384r1 ? 'P-384' : curve
}
