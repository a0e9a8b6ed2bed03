// SPAKE2+ (RFC 9383) against handshakes that the public KNX IoT stack has completed.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  AppError,
  concatBytes,
  decodeCbor,
  equalBytes,
  fromHex,
  pbkdf2,
  Spake2PlusProver,
  systemRandom,
  toHex,
  utf8,
  type Random,
} from '#main/base/index.ts'

interface Handshake {
  readonly password: string
  readonly x: string
  readonly sharedKey: string
  readonly iterations: number
  readonly salt: Uint8Array
  readonly shareP: Uint8Array
  readonly shareV: Uint8Array
  readonly confirmV: Uint8Array
  readonly confirmP: Uint8Array
}

type Line = Readonly<Record<string, unknown>> & { readonly note: string }

function hex(text: string): Uint8Array {
  return fromHex(text) ?? new Uint8Array(0)
}

/** The CBOR map in the payload of a CoAP datagram. */
function mapIn(datagram: string): ReadonlyMap<number, Uint8Array> {
  const bytes = hex(datagram)
  return decodeCbor(bytes.subarray(bytes.indexOf(0xff) + 1)) as ReadonlyMap<number, Uint8Array>
}

function handshakesOf(file: string): readonly Handshake[] {
  const lines = readFileSync(new URL(`../vectors/knx-iot/${file}`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
  return lines.flatMap((line, index) => {
    if (!line.note.startsWith('spake secrets')) return []
    const request = (step: number): string =>
      lines.slice(0, index).findLast(({ note }) => note.startsWith(`SPAKE ${step}`))?.request as string
    const answers = lines.slice(0, index).findLast(({ note }) => note.startsWith('SPAKE 2'))?.responses as ReadonlyArray<{ hex: string }>
    const answer = mapIn(answers.at(-1)?.hex ?? '')
    const none = new Uint8Array(0)
    return [
      {
        password: line.password as string,
        x: line.x as string,
        sharedKey: line.K_shared as string,
        iterations: line.it as number,
        salt: hex(line.salt as string),
        shareP: mapIn(request(2)).get(10) ?? none,
        shareV: answer.get(11) ?? none,
        confirmV: answer.get(13) ?? none,
        confirmP: mapIn(request(3)).get(14) ?? none,
      },
    ]
  })
}

/** What the recorded prover drew. */
function drawing(x: string): Random {
  return { ...systemRandom, bytes: (length) => concatBytes(new Uint8Array(length - 32), hex(x.padStart(64, '0'))) }
}

async function proverOf({ password, salt, iterations, x }: Handshake, minimalW0 = true): Promise<Spake2PlusProver> {
  const bytes = utf8(password)
  const length = Uint8Array.of(bytes.length, 0, 0, 0, 0, 0, 0, 0)
  const stretched = await pbkdf2('sha256', concatBytes(length, bytes, new Uint8Array(16)), salt, iterations, 80)
  return new Spake2PlusProver({ context: utf8('knxpase'), stretched, random: drawing(x), minimalW0, keyBytes: 16 })
}

describe.each(['secure-commission-textid.jsonl', 'spake-w0-leading-zero.jsonl'])('the handshakes of %s', (file) => {
  const handshakes = handshakesOf(file)

  it('are there', () => {
    expect(handshakes.length).toBeGreaterThan(0)
  })

  it('give the shares, confirmations and keys that the device agreed to', async () => {
    for (const handshake of handshakes) {
      const prover = await proverOf(handshake)
      expect(toHex(prover.share)).toBe(toHex(handshake.shareP))
      const { confirmation, sharedKey } = prover.prove(handshake.shareV, handshake.confirmV)
      expect(toHex(confirmation)).toBe(toHex(handshake.confirmP))
      expect(toHex(sharedKey)).toBe(handshake.sharedKey)
    }
  })

  it('fail for another password, and for a share or confirmation with one bit changed', async () => {
    const [handshake] = handshakes
    if (handshake === undefined) throw new TypeError('no handshake')
    const wrong = await proverOf({ ...handshake, password: `${handshake.password}X` })
    expect(() => wrong.prove(handshake.shareV, handshake.confirmV)).toThrow(
      expect.objectContaining({ code: 'crypto.authentication-failed' }) as Error,
    )
    const prover = await proverOf(handshake)
    fc.assert(
      fc.property(fc.nat(handshake.confirmV.length * 8 - 1), (bit) => {
        const confirmV = handshake.confirmV.slice()
        confirmV[bit >> 3] = (confirmV[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(() => prover.prove(handshake.shareV, confirmV)).toThrow(AppError)
      }),
      { numRuns: 20 },
    )
  })
})

describe('a handshake whose w0 begins with a zero byte', () => {
  it('fails with the 32 bytes of RFC 9383 §3.3, as that device leaves the zero out', async () => {
    const [handshake] = handshakesOf('spake-w0-leading-zero.jsonl')
    if (handshake === undefined) throw new TypeError('no handshake')
    const prover = await proverOf(handshake, false)
    expect(() => prover.prove(handshake.shareV, handshake.confirmV)).toThrow(AppError)
  })
})

describe('shares that are none', () => {
  const prover = new Spake2PlusProver({ context: utf8('test'), stretched: new Uint8Array(80).fill(7), random: systemRandom })

  it('are refused: any bytes give a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (share) => {
        expect(() => prover.prove(share, new Uint8Array(32))).toThrow(AppError)
      }),
    )
    expect(() => prover.prove(concatBytes(Uint8Array.of(4), new Uint8Array(64)), new Uint8Array(32))).toThrow(AppError)
  })

  it('are fresh each time', () => {
    const other = new Spake2PlusProver({ context: utf8('test'), stretched: new Uint8Array(80).fill(7), random: systemRandom })
    expect(equalBytes(other.share, prover.share)).toBe(false)
  })

  it('takes 80 stretched bytes and no others', () => {
    expect(() => new Spake2PlusProver({ context: utf8('test'), stretched: new Uint8Array(64), random: systemRandom })).toThrow(AppError)
  })
})
