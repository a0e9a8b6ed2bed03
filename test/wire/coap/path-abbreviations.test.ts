// Paths by number (draft-ietf-core-uri-path-abbrev-05 §2.1, §6.2).
import { describe, expect, it } from 'vitest'
import { OptionNumber, uintOption, type CoapMessage, type IncomingRequest } from '#main/wire/coap/index.ts'
import { bench, path, utf8, type Bench } from './harness.ts'

async function ask(place: Bench, options: CoapMessage['options']): Promise<string | undefined> {
  const client = place.peer('2001:db8::c', 0)
  client.send({ token: utf8('tk'), options })
  await place.clock.advance(10)
  return client.take()[0]?.code
}

function numbered(value: number): CoapMessage['options'][number] {
  return uintOption(OptionNumber.URI_PATH_ABBREV, value)
}

describe('Uri-Path-Abbrev', () => {
  it.each([
    [0, '/.well-known/core'],
    [1, '/.well-known/rd'],
    [2, '/.well-known/edhoc'],
    [301, '/.well-known/est/crts'],
    [302, '/.well-known/est/sen'],
    [303, '/.well-known/est/sren'],
    [304, '/.well-known/est/skg'],
    [305, '/.well-known/est/skc'],
    [306, '/.well-known/est/att'],
    [401, '/.well-known/brski/es'],
    [402, '/.well-known/brski/rv'],
    [403, '/.well-known/brski/vs'],
  ])('%i stands for %s', async (value, expanded) => {
    const place = bench()
    let got: IncomingRequest | undefined
    if (value !== 0) {
      place.tree.add(expanded, {
        handlers: {
          GET: (request) => {
            got = request
            return { code: '2.05' }
          },
        },
      })
    }
    expect(await ask(place, [numbered(value)])).toBe('2.05')
    if (value !== 0) expect(`/${got?.path.join('/')}`).toBe(expanded)
  })

  it('is a bad option where its number is not known, where a path stands beside it, and where it comes twice', async () => {
    const place = bench()
    expect(await ask(place, [numbered(3)])).toBe('4.02')
    expect(await ask(place, [...path('.well-known'), numbered(0)])).toBe('4.02')
    expect(await ask(place, [numbered(0), numbered(0)])).toBe('4.02')
    expect(await ask(place, [{ number: OptionNumber.URI_PATH_ABBREV, value: new Uint8Array(5) }])).toBe('4.02')
  })

  it('names a path that is not there as the path itself would', async () => {
    expect(await ask(bench(), [numbered(402)])).toBe('4.04')
  })
})
