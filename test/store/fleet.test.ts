// Destinations, parcels and the lease at rest, and the keys of a site on their way into another file.
import { describe, expect, it } from 'vitest'
import { encodeCbor, importAesKey, seededRandom, systemRandom, utf8 } from '#main/base/index.ts'
import type { PushTargetSettings } from '#contract/model.ts'
import {
  bringSecurity,
  createEnrolmentStore,
  createFleetStore,
  createLeaseStore,
  createSerialStore,
  forgetSender,
  takeSecurity,
} from '#main/store/index.ts'
import { sealerOf } from '../../src-main/core/keyring.ts'
import { temporarySite } from '../support/site-file.ts'

const settings: PushTargetSettings = {
  kind: 'https',
  name: 'Fleet',
  url: 'https://fleet.example/site',
  method: 'PUT',
  content: 'bundle',
  auth: 'none',
  user: '',
  anchors: null,
  certificate: null,
  ditto: { namespace: 'org.example', subject: 'nginx:ditto' },
  receiver: null,
}
const parcel = { name: 'a/b c', contentType: 'application/json', bytes: utf8('{}'), sha256: '00' }

describe('what a site file keeps of fleets', () => {
  it('comes back as it was, and a destination goes with all that is known of it', () => {
    const store = createFleetStore(temporarySite().database)
    const target = { id: 't', settings, sealed: Uint8Array.of(1, 2), createdAt: 5 }
    store.saveTarget(target)
    store.saveTarget({ ...target, settings: { ...settings, name: 'Other' } })
    expect(store.targets()).toEqual([{ ...target, settings: { ...settings, name: 'Other' } }])
    store.saveParcels([parcel, parcel])
    expect(store.parcel('00', 'a/b c')).toEqual(parcel)
    expect(store.parcel('00', 'other')).toBeUndefined()
    store.saveDelivered('t', 'a/b c', { sha256: '00', etag: '"x"', at: 7 })
    store.saveDelivered('t', 'a/b c', { sha256: '01', etag: null, at: 8 })
    expect(store.delivered('t', 'a/b c')).toEqual({ sha256: '01', etag: null, at: 8 })
    store.saveJob({ jobId: 'j1', targetId: 't', revision: 3, at: 8 })
    store.saveJob({ jobId: 'j2', targetId: 't', revision: 4, at: 9 })
    expect(store.lastJob('t')).toEqual({ jobId: 'j2', revision: 4, at: 9 })
    store.prune(new Set(['01']))
    expect(store.parcel('00', 'a/b c')).toBeUndefined()
    store.removeTarget('t')
    expect([store.targets(), store.delivered('t', 'a/b c'), store.lastJob('t')]).toEqual([[], undefined, undefined])
  })

  it('is refused where a file says something else of a destination', () => {
    const { database } = temporarySite()
    const store = createFleetStore(database)
    database.prepare('INSERT INTO push_target (id, settings, sealed, created_at) VALUES (?, ?, NULL, 1)').run('t', '{"kind":"ftp"}')
    expect(() => store.targets()).toThrow(expect.objectContaining({ code: 'store.corrupt' }))
  })

  it('holds one lease', () => {
    const store = createLeaseStore(temporarySite().database)
    expect(store.lease()).toBeUndefined()
    store.saveLease({ epoch: 1, holder: 'a', since: 2, state: 'writer' })
    store.saveLease({ epoch: 2, holder: 'b', since: 3, state: 'taken-over' })
    expect(store.lease()).toEqual({ epoch: 2, holder: 'b', since: 3, state: 'taken-over' })
  })
})

describe('keys on their way into another file', () => {
  const random = seededRandom(6)
  const here = sealerOf(importAesKey(random.bytes(32)), systemRandom)
  const there = sealerOf(importAesKey(random.bytes(32)), systemRandom)
  const secret = utf8('a master secret of a device')

  it('are sealed anew, and serial numbers go on far beyond those that the other side may have given since', () => {
    const from = temporarySite()
    createEnrolmentStore(from.database).save({ deviceId: 'd', number: 3, sealed: here.seal(secret), enrolledAt: 4 })
    createSerialStore(from.database).reserve(64)
    const carried = takeSecurity(from.database, here)
    const to = temporarySite()
    bringSecurity(to.database, carried, there)
    const [row] = createEnrolmentStore(to.database).all()
    expect(row).toMatchObject({ deviceId: 'd', number: 3, enrolledAt: 4 })
    expect(there.open(row!.sealed)).toEqual(secret)
    expect(() => here.open(row!.sealed)).toThrow()
    expect(createSerialStore(to.database).reserve(1)).toBeGreaterThan(1_000_000)
  })

  it('that cannot be read leave nothing behind', () => {
    const from = temporarySite()
    createEnrolmentStore(from.database).save({ deviceId: 'd', number: 3, sealed: here.seal(secret), enrolledAt: 4 })
    const to = temporarySite()
    const carried = takeSecurity(from.database, here)
    for (const bytes of [new Uint8Array(), utf8('x'), encodeCbor(new Map([['version', 1]])), carried.subarray(0, carried.length - 3)])
      expect(() => bringSecurity(to.database, bytes, there)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^(?:bundle|cbor)\.invalid$/) as string }),
      )
    expect(createEnrolmentStore(to.database).all()).toEqual([])
  })

  it('go with no sequence number: the file counts as a copy from then on', () => {
    const { database } = temporarySite()
    forgetSender(database, 'taken-over-2')
    forgetSender(database, 'taken-over-3')
    expect(database.prepare('SELECT epoch, generation FROM oscore_writer').all()).toEqual([{ epoch: 'taken-over-3', generation: 0 }])
  })
})
