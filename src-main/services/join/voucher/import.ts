// Takes vouchers from files (RFC 8995 §7.2: an offline site brings them along): each is judged as if it came from anybody.
import { sha256, toAppError, toHex, type Clock } from '#main/base/index.ts'
import type { FailureCode } from '#contract/failures.ts'
import { readVoucher } from './artifact.ts'
import { checkVoucher, type CheckedVoucher, type VoucherWarning } from './check.ts'
import { splitVoucherFile, type VoucherInFile } from './files.ts'
import { masaAddressOf, type Maker } from './makers.ts'
import { recordOf, type VoucherStore } from './store.ts'
import { refusedVoucher } from './types.ts'

export interface VoucherFile {
  readonly name: string
  readonly bytes: Uint8Array
}

export type ImportedVoucher =
  | {
      readonly ok: true
      readonly file: string
      readonly id: string
      readonly serialNumber: string
      readonly expiresOn: number | undefined
      /** Whether it was here before. */
      readonly known: boolean
      readonly maker: string
      readonly warnings: readonly VoucherWarning[]
    }
  | {
      readonly ok: false
      readonly file: string
      /** Undefined where it cannot be read. */
      readonly serialNumber: string | undefined
      readonly code: FailureCode
      readonly why: string
    }

export interface ImportPorts {
  readonly store: VoucherStore
  readonly clock: Clock
  readonly makers: readonly Maker[]
  readonly registrarChain: readonly Uint8Array[]
  /** How many may be kept. */
  readonly limit: number
}

export async function importVouchers(files: readonly VoucherFile[], ports: ImportPorts): Promise<readonly ImportedVoucher[]> {
  const outcomes: ImportedVoucher[] = []
  for (const file of files) {
    let found: readonly VoucherInFile[]
    try {
      found = splitVoucherFile(file.bytes)
    } catch (thrown) {
      outcomes.push(refusal(file.name, undefined, thrown))
      continue
    }
    for (const one of found) outcomes.push(await importOne(file.name, one, ports))
  }
  return outcomes
}

async function importOne(file: string, { bytes, format }: VoucherInFile, ports: ImportPorts): Promise<ImportedVoucher> {
  let serialNumber: string | undefined
  try {
    const { data } = readVoucher(bytes, format)
    serialNumber = data.serialNumber
    // Only the device that asked takes one with a nonce, and it asked somebody else.
    if (data.nonce !== undefined) throw refusedVoucher('voucher.wrong-nonce', 'The voucher answers one request only')
    const known = ports.store.voucher(toHex(sha256(bytes))) !== undefined
    if (!known && ports.store.count() >= ports.limit) throw refusedVoucher('voucher.limit-reached', 'No more vouchers can be kept')
    const { checked, maker } = await judge(bytes, format, serialNumber, ports)
    const masaUrl = masaAddressOf(maker, undefined)?.url
    const record = recordOf(checked, { source: 'file', makerId: maker.id, masaUrl, storedAt: ports.clock.now() })
    if (!known) ports.store.save(record)
    const { id, expiresOn } = record
    return { ok: true, file, id, serialNumber, expiresOn, known, maker: maker.name, warnings: checked.warnings }
  } catch (thrown) {
    return refusal(file, serialNumber, thrown)
  }
}

/** The first maker who stands behind it; where none does, why the last one does not. */
async function judge(
  bytes: Uint8Array,
  format: VoucherInFile['format'],
  serialNumber: string,
  { clock, makers, registrarChain }: ImportPorts,
): Promise<{ readonly checked: CheckedVoucher; readonly maker: Maker }> {
  for (const maker of makers) {
    const expected = {
      serialNumber,
      nonce: 'none',
      registrarChain,
      anchors: maker.voucherAnchors ?? maker.anchors,
      signature: 'required',
      nowMs: clock.now(),
    } as const
    try {
      return { checked: await checkVoucher(bytes, format, expected), maker }
    } catch (thrown) {
      if (toAppError(thrown).code !== 'voucher.signer-untrusted') throw thrown
    }
  }
  throw refusedVoucher('voucher.signer-untrusted', 'No trusted maker signed the voucher')
}

function refusal(file: string, serialNumber: string | undefined, thrown: unknown): ImportedVoucher {
  const failure = toAppError(thrown)
  return { ok: false, file, serialNumber, code: failure.code, why: failure.message }
}
