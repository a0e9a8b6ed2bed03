import { describe, expect, it, onTestFinished } from 'vitest'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

describe('the audit of ops', () => {
  it('names who did what with a short account of the input, and leaves reading out', async () => {
    const { program, session } = testProgram(temporaryFolder())
    onTestFinished(() => program.close())
    const details = { name: 'Audited', organisation: '', address: '', operator: '' }
    await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    const { id } = await session.call('rooms.create', { parentId: null, kind: 'room', name: 'Hall' })
    await session.call('site.recent', {})
    const devices = await Promise.all(
      Array.from({ length: 25 }, (_, index) =>
        session.call('devices.create', { name: `Lamp ${index}`, type: 'luminaire', roomId: id, eui64: null, serial: null }),
      ),
    )
    await session.call('devices.update', { ids: devices.map((device) => device.id), patch: { type: 'blind' } })
    const [newest, ...older] = await session.call('audit.page', { limit: 500 })
    expect(newest).toMatchObject({
      actor: 'command line',
      action: 'devices.update',
      details: { ids: { count: 25 }, patch: { type: 'blind' } },
    })
    expect(new Set(older.map(({ action }) => action))).toEqual(new Set(['rooms.create', 'devices.create']))
  })

  it('does not deny an effect because its entry could not be written', async () => {
    const { program, session } = testProgram(temporaryFolder())
    onTestFinished(() => program.close())
    const details = { name: 'Audited', organisation: '', address: '', operator: '' }
    await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    // The site is closed by the op's own caller while it runs: its audit is gone when it ends.
    const [exported] = await Promise.all([
      program.service.call('handover.export', { formats: ['json'] }, { actor: 'x' }),
      program.service.call('site.close', {}, { actor: 'x' }),
    ])
    expect(typeof exported.ok).toBe('boolean')
  })
})
