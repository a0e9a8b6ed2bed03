// Undo and maintenance in words: every op that the journal keeps can be told in both languages, and every answer of the sheet makes its operation.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { maintenanceOperation, maintenancePhase, maintenanceStep } from '#contract/model.ts'
import { opNames } from '#contract/ops.ts'
import { editWords } from '../../src-renderer/lib/edit-words.ts'
import { blankForm, groupKinds, operationOf } from '../../src-renderer/views/groups/maintenance/operations.ts'

function words(language: string, file: string, ...path: readonly string[]): readonly string[] {
  let value: unknown = JSON.parse(readFileSync(new URL(`../../src-renderer/locales/${language}/${file}.json`, import.meta.url), 'utf8'))
  for (const part of path) value = Reflect.get(value as object, part)
  return Object.keys(value as object)
}

/** Ops whose handlers edit the project; those beside them read, or start a job. */
const EDITS =
  /^(site\.update|devices\.(create|update|remove|importApply)|rooms\.|groups\.(?!verify)|security\.(create|update|remove|protect|rekey|evict)$|templates\.(?!preview)|walk\.place|survey\.(adopt|take)|rules\.remedy)/
const kinds = maintenanceOperation.options.map(({ shape }) => shape.kind.value)

describe.each(['en', 'de'])('words in %s', (language) => {
  it('tell every edit that the journal keeps', () => {
    const known = new Set(words(language, 'edits', 'op'))
    const edits = [...opNames.filter((name) => EDITS.test(name)), ...kinds.map((kind) => `maintenance.${kind}`)]
    expect(edits.length).toBeGreaterThan(30)
    expect(edits.map((op) => editWords({ op, counts: {}, name: null }).key).filter((key) => !known.has(key))).toEqual([])
  })

  it('tell every phase, step and kind of maintenance', () => {
    expect(words(language, 'maintenance', 'phase')).toEqual(maintenancePhase.options)
    expect(words(language, 'maintenance', 'step').toSorted()).toEqual([...maintenanceStep.shape.change.options].toSorted())
    expect(words(language, 'maintenance', 'kind').toSorted()).toEqual([...kinds].toSorted())
    expect(words(language, 'maintenance', 'about').toSorted()).toEqual([...kinds].toSorted())
  })
})

describe('an entry of the journal', () => {
  it('is counted by the rows that it is about', () => {
    expect(editWords({ op: 'devices.remove', counts: { device: 3, membership: 12 }, name: 'Lamp' })).toEqual({
      key: 'devices_remove',
      name: 'Lamp',
      count: 3,
    })
    expect(editWords({ op: 'groups.setMemberships', counts: { membership: 12 }, name: 'hall' }).count).toBe(12)
    expect(editWords({ op: 'site.update', counts: { details: 1 }, name: null })).toEqual({ key: 'site_update', name: '–', count: 1 })
  })
})

describe('the change sheet', () => {
  const filled = {
    ...blankForm,
    name: ' foyer ',
    address: 'ff35::1',
    port: '5685',
    coapGroupId: 'coap-1',
    ticked: ['a'],
    out: ['b'],
    securityGroupId: 'sec-1',
    byId: 'dev-2',
  }

  it('makes an operation of every kind that the contract takes', () => {
    for (const kind of groupKinds) {
      const operation = operationOf({ ...filled, kind }, { groupId: 'g' })
      expect(maintenanceOperation.safeParse(operation).success, kind).toBe(true)
      expect(operation?.kind).toBe(kind)
    }
    expect(operationOf(filled, { deviceId: 'dev-1' })).toEqual({ kind: 'replace', deviceId: 'dev-1', byId: 'dev-2' })
  })

  it('waits while something is missing', () => {
    for (const kind of ['members', 'rename', 'uri', 'split', 'merge', 'security', 'rekey'] as const)
      expect(operationOf({ ...blankForm, kind }, { groupId: 'g' }), kind).toBeUndefined()
    expect(operationOf(blankForm, { deviceId: 'dev-1' })).toBeUndefined()
    expect(operationOf({ ...blankForm, kind: 'move' }, { groupId: 'g' })).toEqual({ kind: 'move', groupId: 'g' })
  })
})
