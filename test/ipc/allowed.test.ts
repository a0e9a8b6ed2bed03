// Roles at the door of the contract.
import { describe, expect, it, onTestFinished } from 'vitest'
import { needs } from '#contract/rights.ts'
import { opNames } from '#contract/ops.ts'
import { withRoles } from '#main/ipc/allowed.ts'
import { contractDouble } from './contract-double.ts'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const CALLER = { actor: 'operator' }

describe('roles at the contract', () => {
  it('stand for every op, and nothing that changes a device or a key is open to viewers', () => {
    expect(opNames.filter((name) => !Object.hasOwn(needs, name))).toEqual([])
    const changing =
      /^(apply|test\.run|devices\.(create|update|remove)|rooms|groups|security\.(create|rekey|evict)$|ra\.(approve|revoke|trust)|knx\.reset)/
    expect(opNames.filter((name) => changing.test(name) && needs[name] === 'viewer')).toEqual([])
  })

  it('refuse before the handler, keep roles by work and not by looking, and name the person', async () => {
    const seen: string[] = []
    let touched = 0
    const { service } = contractDouble({
      handlers: {
        'rooms.remove': (_input, { actor }) => void seen.push(actor),
        'jobs.pause': (_input, { actor }) => void seen.push(actor),
        'site.recent': () => [],
      },
    })
    const guarded = withRoles(service, {
      openSite: () => ({
        access: {
          holds: (role) => role !== 'engineer' && role !== 'operator',
          touch: () => {
            touched++
          },
          person: 'Anna',
        },
      }),
    })
    expect(await guarded.call('rooms.remove', { id: 'r1' }, CALLER)).toMatchObject({ ok: true })
    expect(await guarded.call('site.recent', {}, CALLER)).toMatchObject({ ok: true })
    expect(await guarded.call('ra.revoke', {}, CALLER)).toMatchObject({
      ok: false,
      error: { code: 'access.role-needed', details: { role: 'operator' } },
    })
    expect(await guarded.call('toString', {}, CALLER)).toMatchObject({ ok: false, error: { code: 'input.unknown-op' } })
    expect([seen, touched]).toEqual([['Anna'], 1])
  })

  it('go with a site, and the audit names who took one up and who tried', async () => {
    const { program, session } = testProgram(temporaryFolder())
    onTestFinished(() => program.close())
    const details = { name: 'Shared', organisation: '', address: '', operator: '' }
    await session.call('site.create', {
      kind: 'network',
      details,

      network: { bindAddress: '::1', coapPort: 0 },
    })
    await session.call('access.setPin', { role: 'engineer', pin: '4711' })
    await session.call('access.lock', {})
    await expect(session.call('groups.createCoap', { name: 'g1' })).rejects.toMatchObject({ code: 'access.role-needed' })
    await session.call('rooms.create', { parentId: null, kind: 'room', name: '1.01' })
    await expect(session.call('access.unlock', { role: 'engineer', pin: '4712' })).rejects.toMatchObject({ code: 'access.pin-wrong' })
    await session.call('access.unlock', { role: 'engineer', pin: '4711', person: 'Anna' })
    await session.call('groups.createCoap', { name: 'g1' })
    const entries = await session.call('audit.page', { limit: 10, search: '' })
    expect(entries.map(({ actor, action }) => `${actor} ${action}`)).toEqual([
      'Anna groups.createCoap',
      'Anna access.unlock',
      'command line access.refused',
      'command line rooms.create',
      'command line access.lock',
      'command line access.setPin',
    ])
    expect(JSON.stringify(entries.map(({ details }) => details))).not.toContain('471')
    expect((await session.call('audit.page', { limit: 10, search: 'UNLOCK' })).map(({ action }) => action)).toEqual(['access.unlock'])
    expect(await session.call('audit.verify', {})).toEqual({ entries: 6, brokenAt: null })
  })
})
