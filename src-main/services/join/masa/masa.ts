// A maker's voucher server (MASA) without its network: a question in, an answer out (RFC 8995 §5.5, §5.6, §5.8; constrained-voucher-31 §7,
// §8.2, §9.2.3). For the demo site and for tests.
import { toAppError, toHex, utf8, type Clock, type SigningKey } from '#main/base/index.ts'
import { Certificate } from '#main/services/ra/index.ts'
import { toBase64 } from '../voucher/base64.ts'
import { pinning } from '../voucher/pinning.ts'
import { domainIdOf, formatOfMediaType, signVoucher, VOUCHER_MEDIA_TYPES, type VoucherData, type VoucherFormat } from '../voucher/index.ts'
import { encodeAuditLog } from './audit-log.ts'
import type { MasaDevice, MasaDevices } from './devices.ts'
import { VoucherLog } from './log.ts'
import { checkRegistrarRequest, denied, requestPaths, type RegistrarRequest } from './request.ts'

export interface MasaOptions {
  /** Signs vouchers. */
  readonly key: SigningKey
  /** Its certificate first, up to the anchor that pledges know. */
  readonly chain: readonly Uint8Array[]
  /** Authorities that issued the devices' IDevIDs. */
  readonly deviceAnchors: readonly Uint8Array[]
  readonly devices: MasaDevices
  /**
   * `anyone`: whoever proves proximity, logged. `first`: the first one owns the device from then on. `sales`: only who is in the list.
   */
  readonly ownership: 'anyone' | 'first' | 'sales'
  readonly clock: Clock
  /** Of vouchers without a nonce, 14 days unless told. */
  readonly lifetimeMs?: number
  /** How long they are renewed, a year unless told. */
  readonly renewalMs?: number
}

export interface MasaQuestion {
  readonly operation: 'requestvoucher' | 'requestauditlog'
  readonly contentType: string
  /** Empty where the header was not there. */
  readonly accept: string
  readonly body: Uint8Array
}

export interface MasaAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: Uint8Array
}

export interface Masa {
  /** Never fails: what is wrong becomes a status and a text for people (RFC 8995 §5.6). */
  answer(question: MasaQuestion): Promise<MasaAnswer>
}

const DAY_MS = 86_400_000
const LIFETIME_MS = 14 * DAY_MS
const RENEWAL_MS = 365 * DAY_MS

export function createMasa(options: MasaOptions): Masa {
  const log = new VoucherLog()
  const paths = requestPaths(options.deviceAnchors.map((der) => new Certificate(der)))
  return {
    answer: async ({ operation, contentType, accept, body }) => {
      try {
        const format = formatOfMediaType(contentType)
        if (format === undefined) return refuse(415, `Voucher requests of the kind ${contentType.slice(0, 100)} are not understood`)
        const answerType = operation === 'requestvoucher' ? VOUCHER_MEDIA_TYPES[format] : 'application/json'
        if (!accepts(accept, answerType)) return refuse(406, `The answer would be ${answerType}`)
        const request = await checkRegistrarRequest(body, format, paths, options.clock.now())
        const device = options.devices.find(request.data.serialNumber, request.data.idevidIssuer)
        if (device === undefined) return refuse(404, 'This device is not known')
        if (operation === 'requestauditlog') {
          const found = log.read(nameOf(device), request.ownerKeys)
          if (found === undefined) return refuse(404, 'This device was never yours')
          return { status: 200, contentType: answerType, body: encodeAuditLog(found) }
        }
        return { status: 200, contentType: answerType, body: issue(options, log, request, device, format) }
      } catch (thrown) {
        const { code, message } = toAppError(thrown)
        return refuse(code === 'access.denied' ? 403 : code === 'internal' ? 500 : 400, code === 'internal' ? 'Internal error' : message)
      }
    },
  }
}

function issue(options: MasaOptions, log: VoucherLog, request: RegistrarRequest, device: MasaDevice, format: VoucherFormat): Uint8Array {
  const { clock, devices, key, chain } = options
  const now = clock.now()
  const { nonce } = request.data
  const isOwner = checkOwner(options, request, device)
  const pinned = pinnedCertificate(request, device)
  const assertion = request.proximity ? 'proximity' : isOwner ? 'verified' : 'logged'
  const data: VoucherData = {
    assertion,
    createdOn: now,
    domainCertRevocationChecks: false,
    serialNumber: device.serialNumber,
    ...(device.idevidIssuer === undefined ? {} : { idevidIssuer: device.idevidIssuer }),
    ...pinning(device.pin ?? 'cert', pinned),
    ...(nonce === undefined ? termsOf(options, request, pinned, now) : { nonce }),
  }
  const voucher = signVoucher(
    data,
    { key, chain },
    { format, certificates: chain, ...(chain.length > 1 ? { signedCertificates: chain } : {}) },
  )
  // What cannot be logged is not issued (RFC 8995 §5.6).
  log.add(nameOf(device), {
    atMs: now,
    domainId: toHex(domainIdOf(pinned)),
    nonce: nonce === undefined ? undefined : toBase64(nonce),
    assertion,
    truncated: 0,
    ownerKeys: request.ownerKeys,
  })
  const top = request.ownerKeys.at(-1)
  if (options.ownership === 'first' && device.owner === undefined && top !== undefined) devices.claim(device, top)
  return voucher
}

/** Whether the asker is the owner by what is known beforehand; throws where it may not have a voucher at all (RFC 8995 §5.5.4). */
function checkOwner({ ownership }: MasaOptions, request: RegistrarRequest, device: MasaDevice): boolean {
  if (device.blocked === true) throw denied('No vouchers are issued for this device any more')
  const isOwner = device.owner !== undefined && request.ownerKeys.includes(device.owner)
  if (ownership !== 'anyone' && device.owner !== undefined && !isOwner) throw denied('This device belongs to somebody else')
  if (ownership === 'sales' && !isOwner) throw denied('This device is not sold to you')
  // Without a nonce the voucher holds for later too: only who is known gets one.
  if (request.data.nonce === undefined && !isOwner) throw denied('Vouchers without a nonce are for known owners only')
  if (!request.proximity && !isOwner) throw denied('Neither the pledge nor sales say that the device is yours')
  return isOwner
}

/** With a nonce the lowest authority, without the highest (constrained-voucher-31 §8.2); a key is always the registrar's own (§8.3). */
function pinnedCertificate({ chain, data }: RegistrarRequest, device: MasaDevice): Certificate {
  const [registrar, lowest] = chain
  if (device.pin !== undefined) return registrar
  return (data.nonce === undefined ? chain.at(-1) : lowest) ?? registrar
}

function termsOf(options: MasaOptions, { chain }: RegistrarRequest, pinned: Certificate, now: number): Partial<VoucherData> {
  const end = Math.min(chain[0].notAfter, pinned.notAfter)
  const expiresOn = Math.min(now + (options.lifetimeMs ?? LIFETIME_MS), end)
  return { expiresOn, lastRenewalDate: Math.max(expiresOn, Math.min(now + (options.renewalMs ?? RENEWAL_MS), end)) }
}

function nameOf({ serialNumber, idevidIssuer }: MasaDevice): string {
  return `${idevidIssuer === undefined ? '' : toHex(idevidIssuer)}/${serialNumber}`
}

function accepts(accept: string, mediaType: string): boolean {
  const ranges = accept.split(',').map((range) => range.split(';')[0]?.trim().toLowerCase())
  return accept.trim() === '' || ranges.some((range) => range === mediaType || range === '*/*' || range === 'application/*')
}

function refuse(status: number, why: string): MasaAnswer {
  return { status, contentType: 'text/plain; charset=utf-8', body: utf8(why) }
}
