// kill -9 during 500 enrolments: no transaction gets two certificates, no serial number comes twice, and every device has its certificate in the end.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, it, onTestFinished } from 'vitest'
import {
  generateSigningKey,
  seededRandom,
  silentLogger,
  systemClock,
  systemRandom,
  toHex,
  utf8,
  type SocketAddress,
} from '#main/base/index.ts'
import { Certificate, CmpClient, createCoapTransport, type Enrolled } from '#main/services/ra/index.ts'
import { vaultOfKey } from '../services/ra/vault.ts'
import { createRaStore } from '#main/store/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { secretPurpose } from '../../src-main/services/ra/engine/credentials.ts'
import { bySecret, createManufacturer, nameOf, SECRET } from '../services/ra/harness.ts'
import { temporaryFolder } from '../support/site-file.ts'

const DEVICES = 500
const WINDOW = 8
const KILLS = 12

it(`survives ${KILLS} kills during ${DEVICES} enrolments`, { timeout: 300_000 }, async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'ra.sqlite')
  const anchor = join(folder, 'anchor.der')
  writeFileSync(anchor, createManufacturer(Date.now()).root.certificate.bytes)
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  // The window is this test's own, and a killed server is to be noticed soon.
  const parameters = { nstart: WINDOW, ackTimeoutMs: 100, maxRetransmit: 3 }
  const endpoint = new CoapEndpoint({ channel, clock: systemClock, random: systemRandom, logger: silentLogger, parameters })
  let server: ChildProcess | undefined
  onTestFinished(async () => {
    server?.kill('SIGKILL')
    endpoint.close()
    await channel.close()
  })
  let at: SocketAddress = { address: '::1', port: 0 }
  const start = async (): Promise<void> => {
    server = spawn(process.execPath, [join(import.meta.dirname, 'ra-server.ts'), file, anchor], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [port] = (await once(createInterface({ input: server.stdout! }), 'line')) as [string]
    at = { address: '::1', port: Number(port) }
  }
  await start()

  const vault = vaultOfKey(new Uint8Array(32).fill(7), systemRandom, 'memory')
  const outside = new Database(file)
  const names = Array.from({ length: DEVICES }, (_, index) => `lamp-${index}`)
  const sealed = await Promise.all(names.map((name) => vault.seal(secretPurpose(name), utf8(SECRET))))
  createRaStore(outside).savePreRegistrations(
    names.map((reference, index) => ({
      reference,
      sealedSecret: sealed[index]!,
      identities: [],
      names: [],
      profile: undefined,
      deviceId: undefined,
      createdAt: 0,
      expiresAt: undefined,
      usedAt: undefined,
    })),
  )
  outside.close()

  const killAfter = seededRandom(9)
  const state = { running: true }
  let kills = 0
  const killer = (async () => {
    while (kills < KILLS && state.running) {
      await new Promise((resolve) => setTimeout(resolve, 150 + killAfter.below(500)))
      const exited = once(server!, 'exit')
      server?.kill('SIGKILL')
      await exited
      kills++
      await start()
    }
  })()

  /** A device does not give its transaction up: the same message until there is an answer. */
  const enrolled = new Map<string, Enrolled>()
  let next = 0
  const work = async (): Promise<void> => {
    for (let index = next++; index < DEVICES; index = next++) {
      const name = names[index]!
      const client = new CmpClient({
        transport: {
          exchange: async (message, operation) => {
            for (;;) {
              try {
                return await createCoapTransport({ client: endpoint, to: at }).exchange(message, operation)
              } catch {
                await new Promise((resolve) => setTimeout(resolve, 50))
              }
            }
          },
          close: () => undefined,
        },
        clock: systemClock,
        random: systemRandom,
        protector: bySecret(name),
        anchors: [],
      })
      enrolled.set(name, await client.enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf(`CN=${name}`) }))
    }
  }
  await Promise.all(Array.from({ length: WINDOW }, work))
  state.running = false
  await killer
  server?.kill('SIGKILL')

  expect(enrolled.size).toBe(DEVICES)
  expect(kills).toBeGreaterThan(KILLS / 2)
  const database = new Database(file, { readonly: true })
  const rows = database
    .prepare<[], { serial: string; der: Uint8Array; state: string; transaction_id: string }>('SELECT * FROM ra_certificate')
    .all()
  database.close()
  expect(rows).toHaveLength(DEVICES)
  expect(new Set(rows.map((row) => row.transaction_id)).size).toBe(DEVICES)
  expect(rows.filter(({ state }) => state !== 'valid')).toEqual([])
  // What the devices hold is what the store says; counters of the serial numbers never came twice.
  const held = [...enrolled.values()].map(({ certificate }) => toHex(certificate.bytes)).toSorted()
  expect(held).toEqual(rows.map(({ der }) => toHex(new Uint8Array(der))).toSorted())
  const counters = rows.map(({ der }) => toHex(new Certificate(new Uint8Array(der)).serial.subarray(1, 7)))
  expect(new Set(counters).size).toBe(DEVICES)
})
