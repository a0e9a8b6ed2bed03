// Findings of the checks among the problems: each once, errors and warnings alone, with what can be pressed.
import { expect, it } from 'vitest'
import type { FindingRow } from '#contract/model.ts'
import { findingProblems, withRemedies } from '#main/site/overview/finding-problems.ts'
import { problemsOf } from '#main/site/overview/conclusions.ts'
import type { SiteSnapshot } from '#main/site/overview/types.ts'

const finding = (change: Partial<FindingRow>): FindingRow => ({
  id: 'port-coaps c1',
  source: 'groups',
  rule: 'port-coaps',
  severity: 'error',
  sections: ['draft-ietf-core-groupcomm-bis-18 §3.4'],
  subject: { kind: 'coap-group', id: 'c1', name: 'floor' },
  params: { port: 5684 },
  remedies: [{ id: 'default-port', params: { port: 5683 } }],
  ...change,
})

const site = (findings: readonly FindingRow[]): SiteSnapshot => ({
  devices: [],
  rooms: [],
  applicationGroups: [{ id: 'g1', name: 'a', coapGroupId: 'c1', roomId: null, comment: '', uri: '', members: 0, confirmed: 0 }],
  memberships: [],
  plan: [],
  testRuns: [],
  exports: [],
  checks: [],
  revision: 1,
  findings,
})

it('a finding of a CoAP group leads to a group that it serves', () => {
  expect(findingProblems(site([finding({})]))).toMatchObject([
    {
      id: 'finding port-coaps c1',
      kind: 'rule',
      severity: 'error',
      subject: { kind: 'group', id: 'g1', name: 'floor' },
      finding: { rule: 'port-coaps' },
    },
  ])
})

it('advice is for the view of the checks alone', () => {
  expect(findingProblems(site([finding({ severity: 'advice' })]))).toEqual([])
})

it('what a problem tells in words of its own is told once, and has the remedies', () => {
  const empty = finding({
    id: 'group-without-members g1',
    rule: 'group-without-members',
    severity: 'warning',
    subject: { kind: 'group', id: 'g1', name: 'a' },
    params: {},
    remedies: [{ id: 'remove-group', params: {} }],
  })
  const bare = finding({ ...empty, id: 'nosec-open g1', source: 'security', rule: 'nosec-open', severity: 'error' })
  expect(problemsOf(site([empty, bare])).map(({ kind, finding: told }) => [kind, told?.id])).toEqual([
    ['group-without-members', 'group-without-members g1'],
  ])
  expect(withRemedies([], [empty])).toEqual([])
})

it('more of one rule than anybody reads are one row', () => {
  const many = Array.from({ length: 250 }, (_, index) =>
    finding({ id: `port-coaps x${index}`, subject: { kind: 'device', id: `x${index}`, name: 'x' } }),
  )
  const other = finding({ id: 'scope-narrow c1', rule: 'scope-narrow' })
  const rows = problemsOf(site([...many, other])).filter(({ kind }) => kind === 'rule')
  expect(rows.map(({ id }) => id)).toEqual(['rule port-coaps *', 'finding scope-narrow c1'])
})
