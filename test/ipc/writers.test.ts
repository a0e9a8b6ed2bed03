// What a copy of a site may do that another program writes to (docs/adr/0012).
import { expect, it } from 'vitest'
import { AppError } from '#main/base/index.ts'
import { isWriters, withWriter } from '#main/ipc/writers.ts'
import { opNames, type OpName } from '#contract/ops.ts'
import { needs } from '#contract/rights.ts'
import { contractDouble } from './contract-double.ts'

const CALLER = { actor: 'operator' }

/** Edits of the project, this computer's own, and what ends something; nothing of it reaches a device or changes a key. */
const MAY = new RegExp(
  `^(${[
    'site\\.(update|setNetwork|setAdvertisement)',
    'devices\\.(create|update|remove|importApply)',
    'rooms\\.(create|update|remove)',
    'groups\\.(create|update|remove)(Application|Coap)',
    'groups\\.(setMemberships|fromRooms)',
    'security\\.(create|update|remove|protect)',
    'rules\\.remedy|naming\\.set|allocation\\.(set|release)',
    'admission\\.(close|setPolicy|deny|undeny|forget|scan|list|unlist|importVouchers|removeVouchers)',
    'templates\\.(save|remove|apply|assign|detach)',
    'walk\\.(stop|place|skip)|discovery\\.stop|survey\\.stop|jobs\\.(pause|cancel)|test\\.seen',
    'history\\.(undo|redo)|handover\\.export|fleet\\.(saveTarget|removeTarget|testTarget|takeOver)',
    'rd\\.(remove|register|setPolicy)',
    'link\\.(probe|add|remove|open|close|retry|refresh|scan|cancel)',
    'knx\\.(changeSettings|setAddress|bind|setGroupAddress)',
    '(drift|survey)\\.adopt|survey\\.take|trace\\.(record|clear)',
  ].join('|')})$`,
)

const REACHING: readonly OpName[] = [
  'apply.start',
  'maintenance.run',
  'devices.identify',
  'discovery.start',
  'groups.verify',
  'jobs.resume',
  'jobs.retryFailed',
  'test.run',
  'test.prove',
  'walk.start',
  'walk.blink',
  'profiles.try',
  'security.rekey',
  'security.evict',
  'security.enrol',
  'security.startAnew',
  'ra.approve',
  'ra.revoke',
  'admission.open',
  'admission.admit',
  'admission.assign',
  'joining.searchNow',
  'joining.renewVouchers',
  'joining.fetchVoucher',
  'joining.makerLog',
  'link.form',
  'link.attach',
  'link.join',
  'link.leave',
  'knx.search',
  'knx.open',
  'knx.show',
  'knx.configure',
  'knx.send',
  'knx.reset',
  'drift.watch',
  'drift.read',
  'drift.repair',
  'drift.remove',
  'survey.read',
  'fleet.push',
]

it('refuses every op that is not for viewers, save those that stay on this computer', () => {
  const expected = opNames.filter((name) => needs[name] !== 'viewer' && !MAY.test(name))
  expect(opNames.filter((name) => isWriters(name) && needs[name] !== 'viewer')).toEqual(expected)
  expect(REACHING.filter((name) => !isWriters(name))).toEqual([])
})

it('refuses before the handler, in a copy alone', async () => {
  const done: string[] = []
  const { service } = contractDouble({
    handlers: { 'maintenance.run': () => Promise.reject(new AppError('internal', 'reached')), 'walk.blink': () => void done.push('blink') },
  })
  let isTaken = true
  const require = (): void => {
    if (isTaken) throw new AppError('site.taken-over', 'Another program writes to this site')
  }
  const guarded = withWriter(service, { openSite: () => ({ writer: { require } }) })
  for (const name of REACHING)
    expect(await guarded.call(name, {}, CALLER), name).toMatchObject({ ok: false, error: { code: 'site.taken-over' } })
  expect(done).toEqual([])
  isTaken = false
  expect(await guarded.call('walk.blink', {}, CALLER)).toMatchObject({ ok: true })
  expect(await guarded.call('toString', {}, CALLER)).toMatchObject({ ok: false, error: { code: 'input.unknown-op' } })
})
