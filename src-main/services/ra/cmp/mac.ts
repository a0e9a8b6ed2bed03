// Protection by a shared secret: PasswordBasedMac (RFC 9810 §5.1.3.1) and PBMAC1 (RFC 9481 §6.1.2, RFC 8018 §7.1).
import { equalInConstantTime, hash, hashLength, hmac, pbkdf2, type HashName, type Random } from '#main/base/index.ts'
import { DerFields, integer, integerValue, octets, octetString, Oid, readDer, sequence, Tag } from '../der/index.ts'
import {
  encodeAlgorithm,
  hashAlgorithm,
  hashOf,
  hmacAlgorithm,
  hmacHashOf,
  readAlgorithm,
  type AlgorithmIdentifier,
} from '../x509/algorithms.ts'
import { Refusal } from './status.ts'

export interface MacLimits {
  /** Of PasswordBasedMac, which runs on the main thread. */
  readonly pbmIterations: number
  readonly pbkdf2Iterations: number
}

/** Enough for any device; more only serves to keep this machine busy (RFC 9810 §5.1.3.1). */
export const DEFAULT_MAC_LIMITS: MacLimits = { pbmIterations: 10_000, pbkdf2Iterations: 100_000 }
/** RFC 9481 §6.1.1 asks for at least 100. */
const MIN_PBM_ITERATIONS = 100
const MAX_SALT_BYTES = 128
const SALT_BYTES = 16
const OWN_PBM_ITERATIONS = 1000
const OWN_PBKDF2_ITERATIONS = 2048

export type MacKind = 'pbm' | 'pbmac1'

export function macKindOf({ algorithm }: AlgorithmIdentifier): MacKind | undefined {
  if (algorithm === Oid.passwordBasedMac) return 'pbm'
  return algorithm === Oid.pbmac1 ? 'pbmac1' : undefined
}

/** The MAC of the bytes under the secret, by the algorithm's own parameters. Throws `Refusal` badAlg. */
export async function computeMac(
  algorithm: AlgorithmIdentifier,
  secret: Uint8Array,
  data: Uint8Array,
  limits: MacLimits = DEFAULT_MAC_LIMITS,
): Promise<Uint8Array> {
  if (algorithm.parameters === undefined) throw new Refusal('badAlg', 'The protection algorithm has no parameters')
  if (macKindOf(algorithm) === 'pbm') return passwordBasedMac(algorithm.parameters, secret, data, limits)
  return pbmac1(algorithm.parameters, secret, data, limits)
}

export async function verifyMac(
  algorithm: AlgorithmIdentifier,
  secret: Uint8Array,
  data: Uint8Array,
  protection: Uint8Array,
  limits?: MacLimits,
): Promise<boolean> {
  return equalInConstantTime(await computeMac(algorithm, secret, data, limits), protection)
}

function passwordBasedMac(parameters: Uint8Array, secret: Uint8Array, data: Uint8Array, limits: MacLimits): Uint8Array {
  const fields = new DerFields(readDer(parameters))
  const salt = octets(fields.field(Tag.OCTET_STRING))
  const owf = hashOf(readAlgorithm(fields.field(Tag.SEQUENCE)))
  const iterations = integerValue(fields.field(Tag.INTEGER))
  const mac = hmacHashOf(readAlgorithm(fields.field(Tag.SEQUENCE)))
  fields.end()
  if (owf === undefined || mac === undefined) throw new Refusal('badAlg', 'The hash or MAC of the protection is not supported')
  if (salt.length > MAX_SALT_BYTES || iterations < MIN_PBM_ITERATIONS || iterations > limits.pbmIterations) {
    throw new Refusal('badAlg', 'The salt or the iteration count of the protection is out of bounds')
  }
  let key = hash(owf, secret, salt)
  for (let round = 1; round < iterations; round++) key = hash(owf, key)
  return hmac(mac, key, data)
}

async function pbmac1(parameters: Uint8Array, secret: Uint8Array, data: Uint8Array, limits: MacLimits): Promise<Uint8Array> {
  const fields = new DerFields(readDer(parameters))
  const derivation = readAlgorithm(fields.field(Tag.SEQUENCE))
  const mac = hmacHashOf(readAlgorithm(fields.field(Tag.SEQUENCE)))
  fields.end()
  if (mac === undefined || derivation.algorithm !== Oid.pbkdf2 || derivation.parameters === undefined) {
    throw new Refusal('badAlg', 'The key derivation or MAC of the protection is not supported')
  }
  const { salt, iterations, keyBytes, prf } = readPbkdf2(derivation.parameters, mac)
  if (salt.length > MAX_SALT_BYTES || iterations < 1 || iterations > limits.pbkdf2Iterations) {
    throw new Refusal('badAlg', 'The salt or the iteration count of the protection is out of bounds')
  }
  return hmac(mac, await pbkdf2(prf, secret, salt, iterations, keyBytes), data)
}

interface Pbkdf2Parameters {
  readonly salt: Uint8Array
  readonly iterations: number
  readonly keyBytes: number
  readonly prf: HashName
}

function readPbkdf2(parameters: Uint8Array, mac: HashName): Pbkdf2Parameters {
  const fields = new DerFields(readDer(parameters))
  const salt = octets(fields.field(Tag.OCTET_STRING))
  const iterations = integerValue(fields.field(Tag.INTEGER))
  const length = fields.optional(Tag.INTEGER)
  const prfField = fields.optional(Tag.SEQUENCE)
  fields.end()
  const prf = prfField === undefined ? 'sha1' : hmacHashOf(readAlgorithm(prfField))
  if (prf === undefined) throw new Refusal('badAlg', 'The pseudo-random function of the protection is not supported')
  const said = length === undefined ? hashLength(mac) : integerValue(length)
  // Bouncy Castle wrote bits where octets belong: 4096 for the 512 octets that it derived.
  const keyBytes = said === 4096 ? said / 8 : said
  if (keyBytes < 16 || keyBytes > 512) throw new Refusal('badAlg', 'The key length of the protection is out of bounds')
  return { salt, iterations, keyBytes, prf }
}

/** Fresh parameters of our own. */
export function newMacAlgorithm(kind: MacKind, random: Random): AlgorithmIdentifier {
  const salt = octetString(random.bytes(SALT_BYTES))
  const mac = encodeAlgorithm(hmacAlgorithm('sha256'))
  if (kind === 'pbm') {
    const owf = encodeAlgorithm(hashAlgorithm('sha256'))
    return { algorithm: Oid.passwordBasedMac, parameters: sequence(salt, owf, integer(OWN_PBM_ITERATIONS), mac) }
  }
  const derivation = encodeAlgorithm({
    algorithm: Oid.pbkdf2,
    parameters: sequence(salt, integer(OWN_PBKDF2_ITERATIONS), integer(hashLength('sha256')), mac),
  })
  return { algorithm: Oid.pbmac1, parameters: sequence(derivation, mac) }
}

/** The request's parameters with a salt of our own: a peer surely speaks what it wrote. */
export function sameMacAlgorithm(algorithm: AlgorithmIdentifier, random: Random): AlgorithmIdentifier {
  const { parameters } = algorithm
  if (parameters === undefined || macKindOf(algorithm) !== 'pbm') return algorithm
  const fields = new DerFields(readDer(parameters))
  fields.field(Tag.OCTET_STRING)
  const rest: Uint8Array[] = []
  while (!fields.done) rest.push(fields.any().bytes)
  return { algorithm: algorithm.algorithm, parameters: sequence(octetString(random.bytes(SALT_BYTES)), ...rest) }
}
