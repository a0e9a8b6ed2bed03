// Vouchers pass through to the registrar's desk while there is one.
import { expect, test } from 'vitest'
import type { VoucherRow } from '#contract/model.ts'
import { ACTOR, admissionSite } from './site.ts'

const row: VoucherRow = {
  id: 'v-1',
  serialNumber: 'SN-1',
  signer: 'CN=Lumen Works MASA',
  source: 'file',
  hasNonce: false,
  createdAt: 1,
  expiresAt: null,
  receivedAt: 2,
  usedAt: null,
  state: 'valid',
  code: null,
}

test('files reach the desk byte for byte, with who gave them; without a registrar that is told', async () => {
  const { admission } = admissionSite()
  const absent = expect.objectContaining({ code: 'join.registrar-absent' }) as Error
  const files = [{ fileName: 'a.vch', base64: 'AP8Q' }]
  expect(admission.feed.get('admission')).toMatchObject({ vouchersReady: false })
  await expect(admission.importVouchers({ files }, ACTOR)).rejects.toThrow(absent)
  expect(() => admission.vouchers({ offset: 0, limit: 10, search: '' })).toThrow(absent)
  const got: unknown[] = []
  admission.connectVouchers({
    import(given, actor) {
      got.push([given.map(({ fileName, bytes }) => [fileName, [...bytes]]), actor])
      return Promise.resolve([{ fileName: 'a.vch', ok: true, code: null, detail: null, voucher: row, replaced: false }])
    },
    list: () => [row, { ...row, id: 'v-2', serialNumber: 'SN-2' }],
    remove: (ids) => ids.length,
  })
  expect(admission.feed.get('admission')).toMatchObject({ vouchersReady: true })
  expect(await admission.importVouchers({ files }, ACTOR)).toMatchObject([{ ok: true, voucher: { id: 'v-1' } }])
  expect(got).toEqual([[[['a.vch', [0, 255, 16]]], ACTOR]])
  expect(admission.vouchers({ offset: 0, limit: 10, search: 'sn-2' })).toMatchObject({ total: 1, rows: [{ id: 'v-2' }] })
  expect(admission.vouchers({ offset: 1, limit: 10, search: '' })).toMatchObject({ total: 2, rows: [{ id: 'v-2' }] })
  expect(admission.removeVouchers({ ids: ['v-1'] }, ACTOR)).toEqual({ count: 1 })
  admission.connectVouchers(undefined)
  expect(admission.feed.get('admission')).toMatchObject({ vouchersReady: false })
})
