// Vouchers in memory: what the store of a site does, without the site.
import type { VoucherRecord, VoucherStore } from '#main/services/join/index.ts'

export function memoryVouchers(): VoucherStore & { readonly records: Map<string, VoucherRecord> } {
  const records = new Map<string, VoucherRecord>()
  const newestFirst = (): VoucherRecord[] => [...records.values()].toReversed()
  return {
    records,
    voucher: (id) => records.get(id),
    ofSerialNumber: (serialNumber) => newestFirst().filter((record) => record.serialNumber === serialNumber),
    list: ({ text = '', offset = 0, limit }) =>
      newestFirst()
        .filter((record) => record.serialNumber.includes(text))
        .slice(offset, offset + limit),
    endingBefore: (timeMs, limit) =>
      [...records.values()]
        .filter(({ nonce, expiresOn }) => nonce === undefined && expiresOn !== undefined && expiresOn < timeMs)
        .toSorted((a, b) => (a.expiresOn ?? 0) - (b.expiresOn ?? 0))
        .slice(0, limit),
    count: () => records.size,
    save: (record) => {
      records.set(record.id, record)
    },
    replace: (oldId, record) => {
      records.delete(oldId)
      records.set(record.id, record)
    },
    markUsed: (id, usedAt) => {
      const record = records.get(id)
      if (record !== undefined) records.set(id, { ...record, usedAt })
    },
    remove: (id) => {
      records.delete(id)
    },
    pruneAnswered: (keep) => {
      const answered = newestFirst().filter(({ nonce }) => nonce !== undefined)
      for (const { id } of answered.slice(keep)) records.delete(id)
    },
  }
}
