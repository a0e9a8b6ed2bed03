// Pushes as a job: each thing to be delivered is an item, tried again after a pause, resumed after a crash, and skipped where the
// destination is known to have it. What is sent is fixed when the job starts: a job that resumes sends what it was started for.
import { AppError, delay, toAppError, utf8ToText, type Clock, type Logger, type Random } from '#main/base/index.ts'
import type { ItemContext, ItemResult, JobRunner } from '#main/site/jobs/index.ts'
import type { PushTargetSettings } from '#contract/model.ts'
import { HttpsTarget } from './https.ts'
import { MqttTarget } from './mqtt.ts'
import type { DeliveryResult, FleetStore, Parcel, StoredTarget, TargetSecrets } from './types.ts'

export interface PushPorts {
  readonly store: FleetStore
  /** Throws `security.locked` for what another keyring sealed. */
  readonly unseal: (sealed: Uint8Array) => TargetSecrets
  /** Throws `site.taken-over` where this program may not speak for the site any more; the text is a bundle that a destination holds. */
  readonly compare: (bundleText: string) => Promise<void>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly attempts?: number
}

const ATTEMPTS = 4
const FIRST_PAUSE_MS = 2000
const CONCURRENCY = 4
/** Connections that nobody uses are let go. */
const IDLE_MS = 3000

export const BUNDLE_NAME = 'bundle'

export function subjectOf(targetId: string, { sha256, name }: Pick<Parcel, 'sha256' | 'name'>): string {
  return `${targetId} ${sha256} ${name}`
}

export function readSubject(subject: string): { readonly targetId: string; readonly sha256: string; readonly name: string } {
  const [targetId = '', sha256 = '', ...name] = subject.split(' ')
  return { targetId, sha256, name: name.join(' ') }
}

type Connection = HttpsTarget | MqttTarget

export class Pushes {
  readonly runner: JobRunner = { kind: 'push', concurrency: CONCURRENCY, run: (subject, context) => this.#run(subject, context) }
  readonly #ports: PushPorts
  readonly #open = new Map<string, { readonly connection: Connection; users: number }>()

  constructor(ports: PushPorts) {
    this.#ports = ports
  }

  /** Whether the destination can be reached and lets us in. Throws `push.*`. */
  async test(settings: PushTargetSettings, secrets: TargetSecrets, signal?: AbortSignal): Promise<void> {
    const connection = this.#connect(settings, secrets)
    try {
      await connection.test(signal)
    } finally {
      connection.close()
    }
  }

  close(): void {
    for (const { connection } of this.#open.values()) connection.close()
    this.#open.clear()
  }

  async #run(subject: string, { signal, jobId }: ItemContext): Promise<ItemResult> {
    const { targetId, sha256, name } = readSubject(subject)
    const { store, clock, attempts = ATTEMPTS } = this.#ports
    const target = store.targets().find(({ id }) => id === targetId)
    if (target === undefined) throw new AppError('push.target-unknown', 'The destination was removed')
    const before = store.delivered(targetId, name)
    if (before?.sha256 === sha256) return { state: 'skipped' }
    const parcel = store.parcel(sha256, name)
    if (parcel === undefined) throw new AppError('push.target-unknown', 'What was to be sent is gone; start the push again')
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await this.#deliver(`${jobId} ${targetId}`, target, parcel, signal)
        // What nobody has seen there is sent again the next time.
        if (result.outcome !== 'unverified' || isOneWay(target.settings))
          store.saveDelivered(targetId, name, { sha256, etag: result.etag, at: clock.now() })
        return result.outcome === 'unverified' ? { state: 'warning', failure: unverified(name) } : { state: 'ok' }
      } catch (thrown) {
        const failure = toAppError(thrown)
        if (!failure.retryable || attempt >= attempts || signal.aborted) throw failure
        this.#ports.logger.info({ code: failure.code, target: target.settings.name, attempt }, 'a delivery is tried again')
        await delay(clock, FIRST_PAUSE_MS * 2 ** (attempt - 1), signal)
      }
    }
  }

  async #deliver(key: string, target: StoredTarget, parcel: Parcel, signal: AbortSignal): Promise<DeliveryResult> {
    const used = this.#use(key, target)
    const { connection } = used
    try {
      if (connection instanceof HttpsTarget)
        return await connection.deliver(parcel, this.#ports.store.delivered(target.id, parcel.name), signal)
      if (parcel.name.endsWith(BUNDLE_NAME) && target.settings.content === 'bundle') {
        const there = await connection.retained(parcel.name, signal)
        const text = there === undefined ? undefined : utf8ToText(there)
        // A newer writer may have been here: then this copy of the site has nothing to say any more.
        if (text !== undefined) await this.#ports.compare(text)
      }
      return await connection.deliver(parcel, signal)
    } catch (thrown) {
      // A connection that has failed is not used again.
      if (this.#open.get(key) === used) this.#open.delete(key)
      connection.close()
      throw thrown
    } finally {
      used.users -= 1
      this.#letGo(key, used)
    }
  }

  #use(key: string, target: StoredTarget): { readonly connection: Connection; users: number } {
    let used = this.#open.get(key)
    if (used === undefined) {
      const secrets = target.sealed === undefined ? {} : this.#ports.unseal(target.sealed)
      used = { connection: this.#connect(target.settings, secrets), users: 0 }
      this.#open.set(key, used)
    }
    used.users += 1
    return used
  }

  #letGo(key: string, used: { readonly connection: Connection; users: number }): void {
    if (used.users > 0) return
    this.#ports.clock.setTimer(IDLE_MS, () => {
      if (used.users > 0 || this.#open.get(key) !== used) return
      this.#open.delete(key)
      used.connection.close()
    })
  }

  #connect(settings: PushTargetSettings, secrets: TargetSecrets): Connection {
    const { clock, random } = this.#ports
    if (settings.kind === 'https') return new HttpsTarget(settings, secrets, { clock })
    const mark = Array.from(random.bytes(6), (byte) => byte.toString(16).padStart(2, '0')).join('')
    return new MqttTarget(settings, secrets, { clock, clientId: `groupwright-${mark}` })
  }
}

/** Nothing can be read back there: that it was taken is all that will ever be known. */
function isOneWay(settings: PushTargetSettings): boolean {
  return settings.kind === 'https' ? settings.method === 'POST' : !settings.retain
}

function unverified(name: string): NonNullable<ItemResult['failure']> {
  return { code: 'push.unverified', message: 'It was taken, but could not be read back', retryable: false, details: { name } }
}
