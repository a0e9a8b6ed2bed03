// The program inside the bundle under test: a contract with a few handlers, whose end takes as long as the test says.
import { AppError, delay } from '#main/base/index.ts'
import type { CoreOptions } from '#main/core.ts'
import type { Program } from '#main/ipc/index.ts'
import type { RoomRow } from '#contract/model.ts'
import { contractDouble } from '../../ipc/contract-double.ts'

export function createProgram({ services, clock, logger, version }: CoreOptions): Program {
  const opened: string[] = []
  const room = (id: string): RoomRow => ({ id, parentId: null, kind: 'room', name: id, position: 0 })
  const { service, feeds } = contractDouble({
    clock,
    logger,
    handlers: {
      'rooms.create': ({ name }) => {
        feeds.rooms.set(room(name))
        return { id: name }
      },
      'rooms.remove': ({ id }) => feeds.rooms.delete([id]),
      'site.openDialog': async () => {
        const path = await services.chooseSiteFile()
        if (path !== undefined) opened.push(path)
        return { opened: path !== undefined }
      },
      'site.recent': () => opened.map((handle) => ({ handle, name: handle, fileName: handle, kind: null, openedAt: null, exists: true })),
      'handover.reveal': ({ handle }) => services.reveal(`/exports/${handle}`, handle),
      'handover.report': async () => ({ html: new TextDecoder('latin1').decode((await services.printPdf('<h1>Report</h1>')).slice(0, 5)) }),
      'preferences.set': ({ locale }) =>
        feeds.preferences.set({ key: 'preferences', locale: locale ?? null, theme: 'system', density: 'normal', views: {} }),
    },
  })
  feeds.session.set({ key: 'session', version, host: 'electron', site: null, network: { state: 'off', failure: null, listening: [] } })
  return {
    service,
    openSiteFile: (path) => {
      opened.push(path)
      return Promise.resolve()
    },
    exportPath: () => undefined,
    networkDataset: () => Promise.reject(new AppError('link.port-missing', 'The double has no dongle')),
    busy: () => false,
    async close() {
      await delay(clock, Number(process.env.DOUBLE_CLOSE_MS ?? '0'))
      process.stdout.write('core closed\n')
    },
  }
}
