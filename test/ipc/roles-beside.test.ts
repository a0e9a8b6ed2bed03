// What ops bring along takes the role that it would take by itself.
import { describe, expect, it, onTestFinished } from 'vitest'
import { maintenanceHandlers } from '#main/ipc/maintenance-handlers.ts'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const details = { name: 'Shared', organisation: '', address: '', operator: '' }

async function shared() {
  const { program, session } = testProgram(temporaryFolder())
  onTestFinished(() => program.close())
  await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  const { id } = await session.call('groups.createApplication', { name: 'hall', members: [] })
  await session.call('access.setPin', { role: 'engineer', pin: '4711' })
  await session.call('access.lock', {})
  return { session, groupId: id }
}

describe('without the role of an engineer', () => {
  it('a device list puts devices into groups that are there, and makes none', async () => {
    const { session } = await shared()
    const list = (group: string) => ({ text: `name,serial,group\nLamp,S1,${group}\n`, mapping: { name: 0, serial: 1, groups: 2 } })
    await expect(session.call('devices.importApply', list('stairs'))).rejects.toMatchObject({
      code: 'access.role-needed',
      details: { role: 'engineer', groups: ['stairs'] },
    })
    expect([session.rows('devices').length, session.rows('applicationGroups').length]).toEqual([0, 1])
    expect(await session.call('devices.importApply', list('hall'))).toMatchObject({ created: 1 })
    expect(session.rows('applicationGroups')).toMatchObject([{ name: 'hall', members: 1 }])
    await session.call('access.unlock', { role: 'engineer', pin: '4711' })
    await session.call('devices.importApply', list('stairs'))
    expect(session.rows('applicationGroups')).toHaveLength(2)
  })

  it('no group gets another address by way of KNX, and who may do it can take it back', async () => {
    const { session, groupId } = await shared()
    const before = session.rows('coapGroups')
    await expect(session.call('knx.setGroupAddress', { groupId, groupAddress: '1/0/2' })).rejects.toMatchObject({
      code: 'access.role-needed',
    })
    await session.call('access.unlock', { role: 'engineer', pin: '4711' })
    const { address } = await session.call('knx.setGroupAddress', { groupId, groupAddress: '1/0/2' })
    expect(session.rows('coapGroups')).toMatchObject([{ address }])
    expect((await session.call('history.list', { offset: 0, limit: 1 })).entries).toMatchObject([{ op: 'knx.setGroupAddress' }])
    await session.call('history.undo', {})
    expect(session.rows('coapGroups')).toEqual(before)
  })
})

describe('replacing a device', () => {
  const operation = { kind: 'replace' as const, deviceId: 'd1', byId: 'd2' }
  function replacing(irreversible: readonly string[], held: readonly string[]) {
    const edits: string[] = []
    const site = {
      access: { holds: (role: string) => held.includes(role) },
      file: { backup: () => undefined },
      history: { action: (_entry: unknown, work: () => unknown) => work() },
      maintenance: {
        preview: () => ({ irreversible }),
        edit: (_operation: unknown, actor: string) => {
          edits.push(actor)
          return { start: () => ({ jobId: null, steps: 0, unreachable: 0 }) }
        },
      },
    }
    const run = maintenanceHandlers({ site: () => site } as unknown as Parameters<typeof maintenanceHandlers>[0])['maintenance.run']
    return { edits, run: async () => run({ operation }, { actor: 'Anna' }) }
  }

  it('takes an RA operator where certificates would be revoked, and nothing is edited before', async () => {
    const { edits, run } = replacing(['keys', 'certificate'], ['engineer'])
    await expect(run()).rejects.toMatchObject({ code: 'access.role-needed', details: { role: 'operator' } })
    expect(edits).toEqual([])
  })

  it.each([
    ['an engineer where there is none to revoke', ['keys'], ['engineer']],
    ['an RA operator, who is named', ['certificate'], ['engineer', 'operator']],
  ])('is done by %s', async (_who, irreversible, held) => {
    const { edits, run } = replacing(irreversible, held)
    await run()
    expect(edits).toEqual(['Anna'])
  })
})
