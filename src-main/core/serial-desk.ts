// The serial ports of this computer: listed with a verdict each, asked what is on them. What a probe found is remembered while the port stays.
import { AppError } from '#main/base/index.ts'
import type { Clock } from '#main/base/index.ts'
import { listPorts, PortWatch, probePort, refusalOf } from '#main/wire/links/index.ts'
import type { Firmware, PermissionRemedy, PortEntry, PortSystem, PortVerdict, SerialBinding } from '#main/wire/links/index.ts'
import type { LinkPort, LinkPortList, LinkProbe, LinkRow, PortVerdictRow } from '#contract/model.ts'
import { failureOf } from './dongle-row.ts'
import { remedyRow } from './dongle.ts'

export interface SerialOptions {
  /** Serialport's own unless told. */
  readonly binding?: SerialBinding
  readonly system?: PortSystem
}

export interface SerialDesk {
  /** Where ports come and go; looks only while a dongle is waited for. */
  readonly watch: PortWatch
  /** The demo site's ports, where one is open, stand first. */
  list(rows: readonly LinkRow[], demo?: SerialBinding): Promise<LinkPortList>
  /** Opens, asks, closes. A port that a dongle of the site has open is `link.port-busy`. */
  probe(path: string, baudRate: number | undefined, rows: readonly LinkRow[], signal?: AbortSignal): Promise<LinkProbe>
  remedyFor(path: string): Promise<PermissionRemedy | undefined>
}

export function createSerialDesk(clock: Clock, options: SerialOptions = {}): SerialDesk {
  const ways = {
    ...(options.binding === undefined ? {} : { binding: options.binding }),
    ...(options.system === undefined ? {} : { system: options.system }),
  }
  const probed = new Map<string, Firmware>()
  const bare = async (): Promise<Awaited<ReturnType<typeof listPorts>>> => {
    const list = await listPorts({ ...ways, probed })
    // Another dongle may come under the key of one that has gone, where keys are paths.
    const present = new Set(list.ports.map(({ key }) => key))
    for (const key of probed.keys()) if (!present.has(key)) probed.delete(key)
    return list
  }
  return {
    watch: new PortWatch({ clock, ...ways }),
    async list(rows, demo) {
      const simulated = demo === undefined ? [] : (await listPorts({ binding: demo })).ports
      const { ports, reason } = await bare()
      return {
        ports: [...simulated, ...ports].map((entry) => portRow(entry, rows)),
        reason: simulated.length > 0 ? null : (reason ?? null),
      }
    },
    async probe(path, baudRate, rows, signal) {
      const user = rows.find((row) => row.path === path && row.state !== 'closed' && row.state !== 'absent')
      if (user !== undefined) throw new AppError('link.port-busy', `${user.name} has ${path} open`, { details: { path } })
      const entry = (await bare()).ports.find((port) => port.path === path)
      const report = await probePort({
        path,
        clock,
        ...(options.binding === undefined ? {} : { binding: options.binding }),
        ...(options.system === undefined ? {} : { platform: options.system.platform }),
        ...(baudRate === undefined ? {} : { settings: { baudRate, rtscts: false } }),
        ...(entry?.settings === undefined ? {} : { suggested: entry.settings }),
        ...(signal === undefined ? {} : { signal }),
      })
      if (entry !== undefined) probed.set(entry.key, report.firmware)
      const refusal = refusalOf(report)
      return {
        path,
        firmware: report.firmware,
        usable: report.usable,
        eui64: report.eui64 ?? null,
        baudRate: report.settings?.baudRate ?? null,
        heard: report.heard === '' ? null : report.heard,
        refusal: refusal === undefined ? null : failureOf(refusal),
      }
    },
    async remedyFor(path) {
      const verdict = (await bare()).ports.find((port) => port.path === path)?.verdict
      return verdict?.kind === 'no-permission' ? verdict.remedy : undefined
    },
  }
}

function portRow({ path, key, name, usb, hint, verdict }: PortEntry, rows: readonly LinkRow[]): LinkPort {
  const user = rows.find((row) => (row.key === null ? row.path === path : row.key === key))
  return {
    path,
    key,
    name,
    usb: usb === undefined ? null : { id: usb.id, manufacturer: usb.manufacturer ?? null, serialNumber: usb.serialNumber ?? null },
    hint: hint ?? null,
    verdict: verdictRow(verdict, user),
    usedBy: user?.id ?? null,
  }
}

function verdictRow(verdict: PortVerdict, user: LinkRow | undefined): PortVerdictRow {
  // Whoever has it open knows best.
  const firmware = user?.firmware ?? undefined
  if (user !== undefined && firmware !== undefined && (user.state === 'up' || user.state === 'attaching'))
    return { kind: 'usable', firmware }
  switch (verdict.kind) {
    case 'busy':
      return { kind: 'busy', by: verdict.by === undefined ? null : { pid: verdict.by.pid, program: verdict.by.program } }
    case 'no-permission':
      return { kind: 'no-permission', remedy: remedyRow(verdict.remedy) }
    case 'usable':
      return { kind: 'usable', firmware: verdict.firmware }
    case 'wrong-firmware':
      return { kind: 'wrong-firmware', found: verdict.found }
    case 'unknown':
      return { kind: 'unknown' }
  }
}
