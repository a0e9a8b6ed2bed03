// Structured log lines behind a small port, with redaction; pino writes them.
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino'
import { redactFields } from './redact.ts'

export interface Logger {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void
  info(fields: Readonly<Record<string, unknown>>, message: string): void
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
  error(fields: Readonly<Record<string, unknown>>, message: string): void
  /** A logger whose every line carries these fields. */
  child(fields: Readonly<Record<string, unknown>>): Logger
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** Takes whole lines, each with its line feed. */
export interface LogDestination {
  write(line: string): void
}

export interface LoggerOptions {
  readonly level: LogLevel
  /** Standard error unless told: standard output belongs to results. */
  readonly destination?: LogDestination | 'stderr'
}

/** JSON lines of at least `level`. Fields with secret-looking names are redacted at any depth; errors are written with their causes. */
export function createLogger(options: LoggerOptions): Logger {
  const { destination = 'stderr' } = options
  const sink: DestinationStream = destination === 'stderr' ? pino.destination({ dest: 2, sync: true }) : destination
  return wrap(
    pino(
      { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
      sink,
    ),
  )
}

function wrap(inner: PinoLogger): Logger {
  const writer =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      if (inner.isLevelEnabled(level)) inner[level](redactFields(fields), message)
    }
  return {
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
    child: (fields) => wrap(inner.child(redactFields(fields))),
  }
}

/** Drops everything. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
}
