// What a MASA proves of a registrar's request before it thinks about it (RFC 8995 §5.5.2 to §5.5.6).
import { AppError, equalBytes, sha256, toHex } from '#main/base/index.ts'
import { asn1, type Certificate, PathValidator, tryCertificate } from '#main/services/ra/index.ts'
import {
  deviceSerialNumber,
  idevidIssuerOf,
  isDeviceCertificate,
  readVoucher,
  readVoucherRequest,
  sameIdevidIssuer,
  type SignedVoucherRequest,
  type VoucherFormat,
  type VoucherRequestData,
} from '../voucher/index.ts'

export interface RegistrarRequest {
  readonly data: VoucherRequestData
  /** The registrar's certificate, then those above it, each link proven. */
  readonly chain: readonly [Certificate, ...Certificate[]]
  /** Lower-case hex SHA-256 of the public keys of the chain: who may be an owner. A name could be forged, a key not. */
  readonly ownerKeys: readonly string[]
  /** Whether the pledge itself has said that it is connected to this registrar. */
  readonly proximity: boolean
  /** Whether an earlier voucher came along to be renewed. */
  readonly previousVoucher: Uint8Array | undefined
}

const MAX_CHAIN = 8

/** Paths that were found good are remembered: of registrars there are few, and they ask often. */
export interface RequestPaths {
  readonly devices: PathValidator
  readonly domains: Map<string, PathValidator>
}

export function requestPaths(deviceAnchors: readonly Certificate[]): RequestPaths {
  return { devices: new PathValidator(deviceAnchors), domains: new Map() }
}

const REMEMBERED_DOMAINS = 100

/** Whoever is on top of a registrar's chain is its anchor for the moment (RFC 8995 §5.5.2). */
function domainPaths({ domains }: RequestPaths, top: Certificate): PathValidator {
  const key = toHex(top.fingerprint())
  const known = domains.get(key)
  if (known !== undefined) return known
  const [oldest] = domains.keys()
  if (domains.size >= REMEMBERED_DOMAINS && oldest !== undefined) domains.delete(oldest)
  const paths = new PathValidator([top])
  domains.set(key, paths)
  return paths
}

/** Throws `voucher.invalid` for what cannot be read and `access.denied` for what is not in order; the message says why. */
export async function checkRegistrarRequest(
  body: Uint8Array,
  format: VoucherFormat,
  paths: RequestPaths,
  nowMs: number,
): Promise<RegistrarRequest> {
  const request = readVoucherRequest(body, format)
  const certificates = request.certificates.map(tryCertificate).filter((one) => one !== undefined)
  const chain = registrarChain(request, certificates)
  const [registrar, ...above] = chain
  if (!registrar.extendedKeyUsage.includes(asn1.Oid.cmcRa)) throw denied('The signer of the request is no registrar (id-kp-cmcRA)')
  const top = above.at(-1) ?? registrar
  const { ok, why } = await domainPaths(paths, top).validate(registrar, above, nowMs)
  if (!ok) throw denied(`The chain of the registrar is not in order: ${why}`)
  const { data } = request
  const prior = data.priorSignedVoucherRequest
  const pledgeRequest = prior === undefined ? undefined : tryRequest(prior, format)
  const proximity =
    pledgeRequest === undefined
      ? false
      : await checkPledge({ request: pledgeRequest, certificates, registrarData: data, chain, paths, nowMs })
  return {
    data,
    chain,
    ownerKeys: chain.map(ownerKeyOf),
    proximity,
    previousVoucher: pledgeRequest === undefined ? prior : undefined,
  }
}

/** Lower-case hex SHA-256 of the public key. */
export function ownerKeyOf(certificate: Certificate): string {
  return toHex(sha256(certificate.spki))
}

function registrarChain(request: SignedVoucherRequest, certificates: readonly Certificate[]): readonly [Certificate, ...Certificate[]] {
  const others = certificates.filter((one) => !isDeviceCertificate(one))
  const registrar = others.find((one) => isSignedBy(request, one))
  if (registrar === undefined) throw denied('None of the certificates that came along signed the request')
  const chain: [Certificate, ...Certificate[]] = [registrar]
  for (let current = registrar; chain.length < MAX_CHAIN;) {
    const issuer = others.find((one) => !chain.includes(one) && current.isIssuedBy(one))
    if (issuer === undefined || current.isIssuedBy(current)) break
    chain.push(issuer)
    current = issuer
  }
  return chain
}

function isSignedBy(request: SignedVoucherRequest, certificate: Certificate): boolean {
  try {
    return request.isSignedBy(certificate.key)
  } catch {
    return false
  }
}

function tryRequest(bytes: Uint8Array, format: VoucherFormat): SignedVoucherRequest | undefined {
  try {
    return readVoucherRequest(bytes, format)
  } catch (thrown) {
    // For a renewal the earlier voucher stands in its place (draft-ietf-anima-rfc8366bis §10.1).
    readVoucher(bytes, format)
    if (thrown instanceof AppError) return undefined
    throw thrown
  }
}

interface PledgeCheck {
  readonly request: SignedVoucherRequest
  readonly certificates: readonly Certificate[]
  readonly registrarData: VoucherRequestData
  readonly chain: readonly Certificate[]
  readonly paths: RequestPaths
  readonly nowMs: number
}

/** Whether the pledge named one of the registrar's keys; throws where it named another's. */
async function checkPledge({ request, certificates, registrarData, chain, paths, nowMs }: PledgeCheck): Promise<boolean> {
  const own = request.certificates.map(tryCertificate).filter((one) => one !== undefined)
  const known = [...certificates, ...own]
  const idevid = known.find((one) => isDeviceCertificate(one) && isSignedBy(request, one))
  if (idevid === undefined) throw denied('The request of the pledge is not signed by a device whose certificate came along')
  const { ok, why } = await paths.devices.validate(idevid, known, nowMs)
  if (!ok) throw denied(`The pledge is none of ours: ${why}`)
  const { data } = request
  if (data.serialNumber !== registrarData.serialNumber || deviceSerialNumber(idevid) !== registrarData.serialNumber)
    throw denied('The requests and the certificate of the pledge speak of different serial numbers')
  const { idevidIssuer, nonce } = registrarData
  if (idevidIssuer !== undefined && !sameIdevidIssuer(idevidIssuer, idevidIssuerOf(idevid)))
    throw denied('The request names another issuer than the certificate of the pledge')
  if (nonce !== undefined && (data.nonce === undefined || !equalBytes(nonce, data.nonce)))
    throw denied('The nonce is not that of the pledge')
  return namesRegistrar(data, chain)
}

/** All that is there must fit; the key may be that of any certificate of the chain (RFC 8995 §5.5.5). */
function namesRegistrar(data: VoucherRequestData, chain: readonly Certificate[]): boolean {
  const spkiOf = (der: Uint8Array): Uint8Array => tryCertificate(der)?.spki ?? new Uint8Array(0)
  const hashes = [
    ...(data.proximityRegistrarPubkSha256 === undefined ? [] : [data.proximityRegistrarPubkSha256]),
    ...(data.proximityRegistrarPubk === undefined ? [] : [sha256(data.proximityRegistrarPubk)]),
    ...(data.proximityRegistrarCert === undefined ? [] : [sha256(spkiOf(data.proximityRegistrarCert))]),
  ]
  if (hashes.some((named) => !chain.some((one) => equalBytes(named, sha256(one.spki)))))
    throw denied('The pledge is connected to another registrar')
  return hashes.length > 0 && data.assertion === 'proximity'
}

export function denied(why: string): AppError {
  return new AppError('access.denied', why)
}
