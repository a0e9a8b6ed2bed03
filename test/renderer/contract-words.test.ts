// Every value of the contract that the window shows has a word, and every state a look.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  advertisement,
  checkId,
  checkRow,
  deviceState,
  deviceType,
  directoryPolicy,
  factSource,
  importField,
  importReason,
  importRow,
  itemState,
  jobState,
  linkFirmware,
  linkRole,
  linkState,
  linkTaskKind,
  memberVerdict,
  outcome,
  problemKind,
  roomKind,
  step,
  traceEntryRow,
  traceKind,
} from '#contract/model.ts'
import { steps } from '../../src-renderer/components/frame/steps.ts'
import { stateLooks } from '../../src-renderer/components/ui/states.ts'
import { deviceTypes } from '../../src-renderer/views/devices/device-words.ts'
import { importFields } from '../../src-renderer/views/devices/import/import-model.ts'

function words(file: string, ...path: readonly string[]): readonly string[] {
  let value: unknown = JSON.parse(readFileSync(new URL(`../../src-renderer/locales/en/${file}.json`, import.meta.url), 'utf8'))
  for (const part of path) value = Reflect.get(value as object, part)
  return Object.keys(value as object)
}

const states = [...outcome.options, ...deviceState.options, ...itemState.options, ...memberVerdict.options]

describe('words for the values of the contract', () => {
  it.each([
    ['states', states, words('states', 'word')],
    ['sources of facts', factSource.options, words('states', 'source')],
    ['device types', deviceType.options, words('common', 'device-type')],
    ['room kinds', roomKind.options, words('common', 'room-kind')],
    ['steps', step.options, words('common', 'step')],
    ['open work', step.options, words('frame', 'open')],
    ['job states', jobState.options, words('frame', 'jobs', 'state')],
    ['spoken job states', jobState.options, words('frame', 'jobs', 'said')],
    ['problems', problemKind.options, words('frame', 'problems', 'kind')],
    ['many problems', problemKind.options, words('frame', 'problems', 'many')],
    ['checks', checkId.options, words('preflight', 'title')],
    ['verdicts of checks', checkRow.shape.verdict.options, words('preflight', 'verdict')],
    ['policies of the directory', directoryPolicy.options, words('directory', 'policy')],
    ['states of its advertisement', advertisement.shape.state.options, words('directory', 'advertise', 'state')],
    ['states of a dongle', linkState.options, words('link', 'state')],
    ['firmware of a dongle', linkFirmware.options, words('link', 'firmware')],
    ['roles in a mesh', linkRole.options, words('link', 'role')],
    ['tasks of a dongle', linkTaskKind.options, words('link', 'task')],
    ['layers of the trace', traceKind.options, words('trace', 'kind')],
    ['notes of the trace', traceEntryRow.shape.note.unwrap().options, words('trace', 'note')],
    ['import fields', importField.options, words('import', 'field')],
    ['import reasons', importReason.shape.reason.options, words('import', 'reason')],
    ['import verdicts', importRow.shape.verdict.options, words('import', 'verdict')],
  ] as const)('%s', (_name, values, known) => {
    expect(values.filter((value) => !known.includes(value))).toEqual([])
  })

  it('every state has a look', () => {
    expect(states.filter((state) => !(state in stateLooks))).toEqual([])
  })

  it('the lists of the window are the lists of the contract', () => {
    expect([...steps]).toEqual([...step.options])
    expect([...deviceTypes].sort()).toEqual([...deviceType.options].sort())
    expect([...importFields].sort()).toEqual([...importField.options].sort())
  })
})
