// The contract as JSON Schema: a change of it shows up as a difference of the snapshot.
import { expect, test } from 'vitest'
import { z } from 'zod'
import { failureCodes } from '#contract/failures.ts'
import { feedNames, feeds } from '#contract/feeds.ts'
import { opNames, ops } from '#contract/ops.ts'

// `void` has no JSON Schema; it is written as the empty one.
const schemaOf = (type: z.ZodType, io: 'input' | 'output'): unknown =>
  z.toJSONSchema(type, { io, unrepresentable: 'any', target: 'draft-2020-12' })

test('the ops are as reviewed', async () => {
  const schemas = Object.fromEntries(
    [...opNames].sort().map((name) => [name, { in: schemaOf(ops[name].in, 'input'), out: schemaOf(ops[name].out, 'output') }]),
  )
  await expect(`${JSON.stringify(schemas, null, 2)}\n`).toMatchFileSnapshot('__snapshots__/ops.schema.snap')
})

test('the feeds are as reviewed', async () => {
  const schemas = Object.fromEntries(feedNames.map((name) => [name, { key: feeds[name].key, row: schemaOf(feeds[name].row, 'output') }]))
  await expect(`${JSON.stringify(schemas, null, 2)}\n`).toMatchFileSnapshot('__snapshots__/feeds.schema.snap')
})

test('every feed is keyed by a required field of its row', () => {
  for (const name of feedNames)
    expect(schemaOf(feeds[name].row, 'output')).toMatchObject({ required: expect.arrayContaining([feeds[name].key]) as unknown })
})

test('failure codes are unique, and dotted but for the two that belong nowhere', () => {
  expect(new Set(failureCodes).size).toBe(failureCodes.length)
  expect(failureCodes.filter((code) => !/^[a-z-]+\.[a-z0-9-]+$/.test(code))).toEqual(['cancelled', 'internal'])
})
