// Keys that are made here stay no longer than they must (RFC 9148 §4.8).
import { describe, expect, it } from 'vitest'
import { generateSigningKey, importSigningKey } from '#main/base/index.ts'
import { writeRequest } from '#main/services/join/index.ts'
import { readCertificationRequest } from '#main/services/ra/index.ts'
import { GeneratedKeys } from '../../../../src-main/services/join/est/key-generation.ts'
import { VirtualClock } from '../../../support/virtual-clock.ts'
import { nameOf } from '../../ra/harness.ts'

const asked = writeRequest({ subject: nameOf('CN=lamp') }, generateSigningKey('P-256'))

describe('a generated key', () => {
  it('is of the kind that was asked with, for the same name, and the same for the same request', () => {
    const keys = new GeneratedKeys(new VirtualClock())
    const made = keys.requestFor('a', asked)
    const { spki, subject } = readCertificationRequest(made.request)
    expect(subject).toEqual(nameOf('CN=lamp'))
    expect(importSigningKey(made.privateKey()).spki).toEqual(spki)
    expect(keys.requestFor('a', asked).request).toEqual(made.request)
    expect(keys.requestFor('b', asked).request).not.toEqual(made.request)
    const p384 = writeRequest({ subject: nameOf('CN=lamp') }, generateSigningKey('P-384'))
    expect(importSigningKey(keys.requestFor('a', p384).privateKey()).algorithm).toBe('P-384')
  })

  it('is forgotten ten minutes after it was given, a day after it was made, and where there are many', async () => {
    const clock = new VirtualClock()
    const keys = new GeneratedKeys(clock)
    const first = keys.requestFor('a', asked)
    keys.requestFor('b', asked)
    keys.delivered('a')
    await clock.advance(599_000)
    expect(keys.requestFor('a', asked).request).toEqual(first.request)
    await clock.advance(2000)
    expect(keys.requestFor('a', asked).request).not.toEqual(first.request)
    expect(keys.size).toBe(2)
    await clock.advance(25 * 3_600_000)
    keys.requestFor('c', asked)
    expect(keys.size).toBe(1)
    for (let index = 0; index < 300; index++) keys.requestFor(`x${index}`, asked)
    expect(keys.size).toBe(256)
  })
})
