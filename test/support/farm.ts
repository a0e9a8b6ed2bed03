// The device farm as a test drives it: devices on real sockets in a process of their own, which outlives the tool's crashes.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'

export interface FarmDevice {
  readonly eui64: string
  readonly serial: string
  readonly name: string
  readonly type: string
  readonly port: number
}

/** Requests served on a group table's entries: by EUI-64, by group name. */
export type FarmCounts = Readonly<Record<string, Readonly<Record<string, { readonly PUT: number; readonly DELETE: number }>>>>

export interface Farm {
  readonly devices: readonly FarmDevice[]
  counts(): Promise<FarmCounts>
  close(): void
}

export async function startFarm(options: { readonly devices: number; readonly rdPort: number; readonly delayMs?: number }): Promise<Farm> {
  const script = join(import.meta.dirname, 'device-farm.ts')
  const flags = ['--devices', String(options.devices), '--rd', String(options.rdPort), '--delay-ms', String(options.delayMs ?? 0)]
  const child = spawn(process.execPath, [script, ...flags], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<unknown> => {
    const line: IteratorResult<string, unknown> = await lines.next()
    return JSON.parse(typeof line.value === 'string' ? line.value : 'null')
  }
  const devices = (await next()) as readonly FarmDevice[]
  return {
    devices,
    async counts() {
      child.stdin.write('counts\n')
      return (await next()) as FarmCounts
    },
    close: () => void child.kill(),
  }
}
