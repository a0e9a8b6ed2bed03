// Vouchers in a real site file: every record comes back as it went in, is found by serial number and by its end, and survives a restart.
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { VoucherRecord } from '#main/services/join/index.ts'
import { createSiteFile, createVoucherStore, openSiteFile } from '#main/store/index.ts'
import { exampleSite, storePorts, temporaryFolder, temporarySite } from '../support/site-file.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

function record(id: string, changes: Partial<VoucherRecord> = {}): VoucherRecord {
  return {
    id,
    serialNumber: 'BL-1',
    idevidIssuer: bytes(4, 1, 2),
    format: 'cose',
    bytes: bytes(0xd2, 0x84),
    nonce: undefined,
    assertion: 'verified',
    createdOn: 1000,
    expiresOn: 9000,
    lastRenewalDate: 20_000,
    source: 'file',
    signer: 'trusted',
    makerId: 'm1',
    masaUrl: 'https://masa.example/.well-known/brski',
    storedAt: 2000,
    usedAt: undefined,
    ...changes,
  }
}

const bare = record('bare', {
  idevidIssuer: undefined,
  format: 'cms',
  nonce: '0102030405060708',
  assertion: undefined,
  createdOn: undefined,
  expiresOn: undefined,
  lastRenewalDate: undefined,
  source: 'masa',
  signer: 'unknown',
  makerId: undefined,
  masaUrl: undefined,
  usedAt: 5,
})

describe('the voucher store', () => {
  test('gives back what it was given, and takes the same voucher again as one', () => {
    const store = createVoucherStore(temporarySite().database)
    store.save(record('a'))
    store.save(bare)
    expect(store.voucher('a')).toEqual(record('a'))
    expect(store.voucher('bare')).toEqual(bare)
    expect(store.voucher('none')).toBeUndefined()
    store.save(record('a', { usedAt: 7 }))
    expect([store.count(), store.voucher('a')?.usedAt]).toEqual([2, 7])
    store.markUsed('a', 8)
    expect(store.voucher('a')?.usedAt).toBe(8)
  })

  test('keeps them after the file is closed and opened again', () => {
    const path = join(temporaryFolder(), 'site.gws')
    const site = createSiteFile(path, exampleSite, storePorts())
    createVoucherStore(site.database).save(record('a'))
    site.close()
    const again = openSiteFile(path, storePorts())
    expect(createVoucherStore(again.database).voucher('a')).toEqual(record('a'))
    again.close()
  })

  test('finds those of a device, newest first, and lists all in pages', () => {
    const store = createVoucherStore(temporarySite().database)
    for (const [index, serialNumber] of ['BL-1', 'RD-7', 'BL-1', 'BL-12'].entries())
      store.save(record(`v${index}`, { serialNumber, storedAt: index }))
    expect(store.ofSerialNumber('BL-1').map(({ id }) => id)).toEqual(['v2', 'v0'])
    expect(store.ofSerialNumber('bl-1')).toEqual([])
    for (let index = 0; index < 250; index++)
      store.save(record(`n${index}`, { nonce: '0102030405060708', serialNumber: 'RD-7', storedAt: index }))
    expect([store.ofSerialNumber('RD-7')[0]?.id, store.ofSerialNumber('RD-7')[1]?.id]).toEqual(['v1', 'n249'])
    store.pruneAnswered(0)
    expect(store.list({ limit: 2 }).map(({ id }) => id)).toEqual(['v3', 'v2'])
    expect(store.list({ limit: 2, offset: 2 }).map(({ id }) => id)).toEqual(['v1', 'v0'])
    expect(store.list({ text: 'bl-1', limit: 10 }).map(({ id }) => id)).toEqual(['v3', 'v2', 'v0'])
    expect(store.list({ text: '%', limit: 10 })).toEqual([])
  })

  test('finds those that end, the next to end first, and none that answered one request', () => {
    const store = createVoucherStore(temporarySite().database)
    store.save(record('late', { expiresOn: 500 }))
    store.save(record('soon', { expiresOn: 100 }))
    store.save(record('never', { expiresOn: undefined }))
    store.save(record('answered', { expiresOn: 50, nonce: '0102030405060708' }))
    expect(store.endingBefore(501, 10).map(({ id }) => id)).toEqual(['soon', 'late'])
    expect(store.endingBefore(500, 10).map(({ id }) => id)).toEqual(['soon'])
    expect(store.endingBefore(501, 1).map(({ id }) => id)).toEqual(['soon'])
  })

  test('replaces in one step, and within a transaction that fails not at all', () => {
    const { database } = temporarySite()
    const store = createVoucherStore(database)
    store.save(record('old'))
    store.replace('old', record('new'))
    expect([store.voucher('old'), store.voucher('new')?.id]).toEqual([undefined, 'new'])
    const failing = database.transaction(() => {
      store.replace('new', record('newer'))
      throw new RangeError('no')
    })
    expect(() => failing()).toThrow(RangeError)
    expect([store.voucher('new')?.id, store.voucher('newer')]).toEqual(['new', undefined])
  })

  test('forgets the oldest answered ones alone', () => {
    const store = createVoucherStore(temporarySite().database)
    for (let index = 0; index < 5; index++) store.save(record(`n${index}`, { nonce: '0102030405060708', storedAt: index }))
    store.save(record('file', { storedAt: 0 }))
    store.pruneAnswered(2)
    expect(store.list({ limit: 10 }).map(({ id }) => id)).toEqual(['n4', 'n3', 'file'])
    store.remove('file')
    expect(store.count()).toBe(2)
  })
})
