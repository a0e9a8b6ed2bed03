// Delivery by MQTT 3.1.1 or 5: QoS 1, retained unless told, over TLS. A broker acknowledges what it then drops by a rule of its own
// (MQTT 3.1.1 §3.3.5), so what is retained is read back before it is called confirmed.
import type { MqttClient } from 'mqtt'
import { AppError, equalBytes, toAppError, type Clock } from '#main/base/index.ts'
import type { PushTargetSettings } from '#contract/model.ts'
import { connectionFailure } from './failures.ts'
import { tlsOf } from './https.ts'
import type { DeliveryResult, Parcel, TargetSecrets } from './types.ts'

type Settings = Extract<PushTargetSettings, { kind: 'mqtt' }>

export interface MqttPorts {
  readonly clock: Clock
  /** Differs for every connection: a broker ends the older one of two that have the same. */
  readonly clientId: string
  /** For connecting and for each acknowledgement, 20 s unless told. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 20_000
/** A retained message follows the acknowledgement of a subscription at once. */
const RETAINED_MS = 5000
/** So long an absent one is waited for. */
const ABSENT_MS = 700
/** Not authorised, bad credentials, banned: MQTT 3.1.1 §3.2.2.3, MQTT 5 §3.2.2.2. */
const REFUSED = new Set([1, 2, 4, 5, 0x80, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c])

export class MqttTarget {
  readonly #settings: Settings
  readonly #secrets: TargetSecrets
  readonly #ports: MqttPorts
  readonly #heard = new Map<string, (payload: Uint8Array) => void>()
  #client: Promise<MqttClient> | undefined

  constructor(settings: Settings, secrets: TargetSecrets, ports: MqttPorts) {
    this.#settings = settings
    this.#secrets = secrets
    this.#ports = ports
  }

  /** Whether the broker lets us in. Throws `push.unreachable`, `push.untrusted`, `push.refused`. */
  async test(signal?: AbortSignal): Promise<void> {
    await this.#connected(signal)
  }

  /** What is retained under the name, or undefined. */
  async retained(name: string, signal?: AbortSignal, waitMs: number = ABSENT_MS): Promise<Uint8Array | undefined> {
    const client = await this.#connected(signal)
    const topic = this.topicOf(name)
    const { clock } = this.#ports
    const found = new Promise<Uint8Array | undefined>((resolve) => {
      const timer = clock.setTimer(waitMs, () => resolve(undefined))
      this.#heard.set(topic, (payload) => {
        timer.cancel()
        resolve(payload)
      })
    })
    try {
      const granted = await this.#inTime(client.subscribeAsync(topic, { qos: 1 }), signal)
      if (granted.some(({ qos }) => qos >= 0x80)) return undefined
      return await found
    } catch (thrown) {
      if (toAppError(thrown).code === 'cancelled') throw thrown
      return undefined
    } finally {
      this.#heard.delete(topic)
      await this.#inTime(client.unsubscribeAsync(topic), signal).catch(() => undefined)
    }
  }

  /** Throws `push.refused`, `push.unreachable`, `push.untrusted`, `cancelled`. */
  async deliver(parcel: Parcel, signal?: AbortSignal): Promise<DeliveryResult> {
    const { retain, version } = this.#settings
    const client = await this.#connected(signal)
    const properties = { contentType: parcel.contentType, userProperties: { 'idempotency-key': parcel.sha256 } }
    const options = { qos: 1 as const, retain, ...(version === 5 ? { properties } : {}) }
    const published = client.publishAsync(this.topicOf(parcel.name), Buffer.from(parcel.bytes), options)
    await this.#inTime(published, signal).catch((thrown: unknown) => {
      throw failureOf(thrown)
    })
    if (!retain) return { outcome: 'unverified', etag: null }
    const there = await this.retained(parcel.name, signal, RETAINED_MS)
    return { outcome: there !== undefined && equalBytes(there, parcel.bytes) ? 'confirmed' : 'unverified', etag: null }
  }

  topicOf(name: string): string {
    const { topic, content } = this.#settings
    // Everything of Ditto's goes to the one topic that its connection listens to; each message says whom it is for.
    return content === 'ditto' ? topic : `${topic.replace(/\/$/, '')}/${name.replaceAll(/[+#\u0000]/g, '_')}`
  }

  close(): void {
    const closing = this.#client
    this.#client = undefined
    void closing?.then(
      (client) => client.end(true),
      () => undefined,
    )
  }

  #connected(signal: AbortSignal | undefined): Promise<MqttClient> {
    this.#client ??= this.#connect().catch((thrown: unknown) => {
      this.#client = undefined
      throw failureOf(thrown)
    })
    return this.#inTime(this.#client, signal)
  }

  async #connect(): Promise<MqttClient> {
    const { connectAsync } = await import('mqtt')
    const { url, version, auth, user } = this.#settings
    const { anchors, client: own } = tlsOf(this.#settings, this.#secrets)
    const { timeoutMs = TIMEOUT_MS, clientId } = this.#ports
    const client = await connectAsync(
      url,
      {
        protocolVersion: version,
        ...(version === 5 ? {} : { protocolId: 'MQTT' as const }),
        clientId,
        clean: true,
        reconnectPeriod: 0,
        connectTimeout: timeoutMs,
        rejectUnauthorized: true,
        ...(auth === 'basic' || auth === 'bearer' ? { username: user, password: this.#secrets.secret ?? '' } : {}),
        ...(anchors === undefined ? {} : { ca: anchors }),
        ...(own === undefined ? {} : { cert: own.chain, key: own.key }),
      },
      false,
    )
    client.on('message', (topic, payload, packet) => {
      // Only what was there before the subscription is what the broker keeps.
      if (packet.retain) this.#heard.get(topic)?.(new Uint8Array(payload))
    })
    const lost = (): void => {
      if (this.#client !== undefined) this.#client = undefined
    }
    client.on('error', lost)
    client.on('close', lost)
    return client
  }

  #inTime<Value>(work: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
    const { clock, timeoutMs = TIMEOUT_MS } = this.#ports
    return new Promise<Value>((resolve, reject) => {
      const onAbort = (): void => finish(() => reject(new AppError('cancelled', 'The delivery was cancelled')))
      const finish = (end: () => void): void => {
        timer.cancel()
        signal?.removeEventListener('abort', onAbort)
        end()
      }
      const timer = clock.setTimer(timeoutMs, () =>
        finish(() =>
          reject(new AppError('push.unreachable', 'The broker does not answer', { retryable: true, details: { reason: 'timeout' } })),
        ),
      )
      if (signal?.aborted === true) onAbort()
      signal?.addEventListener('abort', onAbort, { once: true })
      work.then(
        (value) => finish(() => resolve(value)),
        (thrown: unknown) => finish(() => reject(failureOf(thrown))),
      )
    })
  }
}

function failureOf(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
  if (typeof code === 'number' && REFUSED.has(code)) {
    const why = thrown instanceof Error ? thrown.message.slice(0, 200) : ''
    return new AppError('push.refused', 'The broker refused', { details: { status: code, why }, cause: thrown })
  }
  return connectionFailure(thrown)
}
