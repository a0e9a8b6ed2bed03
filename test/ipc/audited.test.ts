import { describe, expect, it, onTestFinished } from 'vitest'
import { AppError, silentLogger } from '#main/base/index.ts'
import { withAudit } from '#main/ipc/audited.ts'
import type { ContractService } from '#main/ipc/index.ts'
import { contractDouble } from './contract-double.ts'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

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

  it('does not deny an effect because its entry could not be written, and says so in the log', async () => {
    const clock = new VirtualClock()
    const logged: unknown[] = []
    const logger = { ...silentLogger, error: (fields: unknown) => void logged.push(fields) }
    const append = (): never => {
      throw new AppError('store.disk-full', 'The disk is full')
    }
    const { service } = contractDouble({ clock })
    const answered: ContractService = { ...service, call: () => Promise.resolve({ ok: true, value: undefined }) }
    const audited = withAudit(answered, { openSite: () => ({ file: { audit: { append } } }) }, logger)
    expect(await audited.call('jobs.cancel', { jobId: 'job-1' }, { actor: 'x' })).toEqual({ ok: true, value: undefined })
    expect(logged).toEqual([{ op: 'jobs.cancel', code: 'store.disk-full' }])
  })
})
