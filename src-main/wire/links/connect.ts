// Opens a port at one speed after the other until a firmware answers, and says what to do about one that is of no use.
import { AppError, type Clock } from '#main/base/index.ts'
import { settingsToTry } from './fingerprints.ts'
import { openSerialLine, type LineSettings, type SerialBinding } from './line-serial.ts'
import { openTcpLine, parseTcpPath } from './line-tcp.ts'
import type { Platform } from './line-errors.ts'
import { probeLine, type Firmware, type ProbeResult } from './probe.ts'
import type { SerialLine } from './types.ts'

export interface ConnectOptions {
  /** A port of the list, any path typed by hand (a pseudo terminal too), or `tcp://host:port`. */
  readonly path: string
  readonly clock: Clock
  readonly binding?: SerialBinding
  readonly platform?: Platform
  /** Only these, where somebody has set them. */
  readonly settings?: LineSettings
  /** What the port's fingerprint suggests: tried first. */
  readonly suggested?: LineSettings
  readonly signal?: AbortSignal
  readonly answerMs?: number
  readonly onPhase?: (phase: 'opening' | 'probing') => void
  /** Around the line before anything is read from it, e.g. to count its bytes. */
  readonly wrap?: (line: SerialLine) => SerialLine
}

export interface ProbeReport extends ProbeResult {
  readonly path: string
  /** At which it answered; undefined over TCP and where nothing answered. */
  readonly settings: LineSettings | undefined
  readonly usable: boolean
}

export interface Connection {
  readonly line: SerialLine
  readonly report: ProbeReport
}

export function isUsable(firmware: Firmware): firmware is 'spinel-ncp' | 'slip-router' {
  return firmware === 'spinel-ncp' || firmware === 'slip-router'
}

/** The open line with what answers on it. The caller closes it. Rejects where the port cannot be opened or is lost meanwhile. */
export async function connectDongle(options: ConnectOptions): Promise<Connection> {
  const { path, clock, signal, answerMs } = options
  const settingsList = parseTcpPath(path) === undefined ? wantedSettings(options) : [undefined]
  for (const [index, settings] of settingsList.entries()) {
    signal?.throwIfAborted()
    options.onPhase?.('opening')
    const line = await openWrapped(options, settings)
    try {
      options.onPhase?.('probing')
      const probe = { clock, ...(signal === undefined ? {} : { signal }), ...(answerMs === undefined ? {} : { answerMs }) }
      const { lost, stop } = watchLoss(line)
      const result = await probeLine(line, probe)
      stop()
      const failure = lost()
      if (failure !== undefined) throw failure
      if (result.firmware !== 'none' || index === settingsList.length - 1) {
        const answered = result.firmware === 'none' ? undefined : settings
        return { line, report: { ...result, path, settings: answered, usable: isUsable(result.firmware) } }
      }
    } catch (thrown) {
      await line.close()
      throw thrown
    }
    await line.close()
  }
  throw new AppError('internal', 'No settings to try')
}

/** Opens, asks, closes. */
export async function probePort(options: ConnectOptions): Promise<ProbeReport> {
  const { line, report } = await connectDongle(options)
  await line.close()
  return report
}

/** Why a port with this firmware cannot be used; undefined where it can. `details.reason` selects the help text. */
export function refusalOf(report: ProbeReport): AppError | undefined {
  const { path, firmware, heard } = report
  if (isUsable(firmware)) return undefined
  if (firmware === 'none') {
    return new AppError('link.no-answer', `No known firmware answers on ${path}`, { retryable: true, details: { path, heard } })
  }
  return new AppError('link.wrong-firmware', `${path} runs ${firmware}`, { details: { path, reason: firmware } })
}

function wantedSettings(options: ConnectOptions): readonly LineSettings[] {
  return options.settings === undefined ? settingsToTry(options.suggested) : [options.settings]
}

async function openWrapped(options: ConnectOptions, settings: LineSettings | undefined): Promise<SerialLine> {
  const { path, clock, binding, platform, signal, wrap = (line: SerialLine) => line } = options
  if (settings === undefined) return wrap(await openTcpLine(path, clock))
  const line = await openSerialLine({
    path,
    clock,
    ...settings,
    ...(binding === undefined ? {} : { binding }),
    ...(platform === undefined ? {} : { platform }),
    ...(signal === undefined ? {} : { signal }),
  })
  return wrap(line)
}

function watchLoss(line: SerialLine): { lost: () => AppError | undefined; stop: () => void } {
  let failure: AppError | undefined
  const stop = line.subscribe((event) => {
    if (event.kind === 'closed') failure = event.error ?? new AppError('link.closed', `${line.path} was closed`, { retryable: true })
  })
  return { lost: () => failure, stop }
}
