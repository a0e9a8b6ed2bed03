// The registrar's vouchers as admission shows and imports them.
import type { Clock } from '#main/base/index.ts'
import type { Maker, VoucherDesk, VoucherRecord, VoucherStore } from '#main/services/join/index.ts'
import type { VoucherImport, VoucherRow } from '#contract/model.ts'

export interface VoucherFilesPorts {
  readonly desk: Pick<VoucherDesk, 'import'>
  readonly store: VoucherStore
  readonly makers: () => readonly Maker[]
  readonly clock: Clock
  readonly audit: (actor: string, action: string, details: Readonly<Record<string, string | number>>) => void
}

export interface VoucherFiles {
  import(files: ReadonlyArray<{ readonly fileName: string; readonly bytes: Uint8Array }>, actor: string): Promise<readonly VoucherImport[]>
  list(): readonly VoucherRow[]
  remove(ids: readonly string[], actor: string): number
}

const MOST_SHOWN = 20_000

/** How a voucher is shown. */
export function voucherRows(makers: () => readonly Maker[], clock: Clock): (record: VoucherRecord) => VoucherRow {
  return (record) => {
    const now = clock.now()
    const isOver = record.expiresOn !== undefined && record.expiresOn < now
    const isEarly = record.createdOn !== undefined && record.createdOn > now
    const state = isOver ? 'expired' : isEarly ? 'not-yet-valid' : 'valid'
    return {
      id: record.id,
      serialNumber: record.serialNumber,
      signer: makers().find(({ id }) => id === record.makerId)?.name ?? '',
      source: record.source === 'file' ? 'file' : 'maker',
      hasNonce: record.nonce !== undefined,
      createdAt: record.createdOn ?? null,
      expiresAt: record.expiresOn ?? null,
      receivedAt: record.storedAt,
      usedAt: record.usedAt ?? null,
      state,
      code: isOver ? 'voucher.expired' : null,
    }
  }
}

export function createVoucherFiles({ desk, store, makers, clock, audit }: VoucherFilesPorts): VoucherFiles {
  const rowOf = voucherRows(makers, clock)
  return {
    async import(files, actor) {
      const outcomes = await desk.import(files.map(({ fileName, bytes }) => ({ name: fileName, bytes })))
      return outcomes.map((outcome): VoucherImport => {
        if (!outcome.ok) {
          const { file, code, why } = outcome
          return { fileName: file, ok: false, code, detail: why, voucher: null, replaced: false }
        }
        const record = store.voucher(outcome.id)
        audit(actor, 'join.voucher-imported', { serialNumber: outcome.serialNumber, voucher: outcome.id })
        return {
          fileName: outcome.file,
          ok: true,
          code: null,
          detail: null,
          voucher: record === undefined ? null : rowOf(record),
          replaced: outcome.known,
        }
      })
    },
    list: () => store.list({ limit: MOST_SHOWN }).map(rowOf),
    remove(ids, actor) {
      const known = ids.filter((id) => store.voucher(id) !== undefined)
      for (const id of known) {
        store.remove(id)
        audit(actor, 'join.voucher-removed', { voucher: id })
      }
      return known.length
    },
  }
}
