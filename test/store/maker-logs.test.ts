// What makers have told, at rest: as it was told, the newest of each device, after a restart too.
import { expect, test } from 'vitest'
import type { MakerLog } from '#contract/model.ts'
import { createMakerLogs, openSiteFile } from '#main/store/index.ts'
import { storePorts, temporarySite } from '../support/site-file.ts'

const KEY = 'ab'.repeat(32)

function log(at: number, more: Partial<MakerLog> = {}): MakerLog {
  const event = { at, domainId: 'cd'.repeat(20), isOurs: false, assertion: 'logged', nonceless: true, truncated: 3 }
  return { at, code: null, detail: null, otherOwners: 1, events: [event], left: { nonced: 0, nonceless: 2, arbitrary: 0 }, ...more }
}

test('the newest stays, as it was told', () => {
  const site = temporarySite()
  const logs = createMakerLogs(site.database)
  expect(logs.get(KEY)).toBeUndefined()
  logs.save(KEY, log(1))
  logs.save(KEY, log(2, { code: 'voucher.masa-unreachable', events: [] }))
  expect(logs.get(KEY)).toEqual(log(2, { code: 'voucher.masa-unreachable', events: [] }))
  site.close()
  const again = openSiteFile(site.path, storePorts())
  expect(createMakerLogs(again.database).get(KEY)?.at).toBe(2)
  again.close()
})

test('a row that holds something else is told as damage', () => {
  const site = temporarySite()
  site.database.prepare('INSERT INTO maker_log (pledge_key, told_at, log) VALUES (?, 1, ?)').run(KEY, '{"at":"never"}')
  expect(() => createMakerLogs(site.database).get(KEY)).toThrow(expect.objectContaining({ code: 'store.corrupt' }))
  site.close()
})
