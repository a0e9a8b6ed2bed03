// The frame that a group request should fit, and the scope it should have: draft-ietf-core-groupcomm-bis-18 §3.6, §3.9.
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { describe, expect, it } from 'vitest'
import {
  allCoapNodes,
  chooseGroupAddress,
  compressedHeaderBytes,
  compressedMulticastBytes,
  fitFrame,
  GROUP_OSCORE_BYTES,
  GROUP_SCOPES,
  groupScopeOf,
  serverScopes,
} from '#main/wire/coap/index.ts'
import { multicastScopeOf, parseIpv6 } from '#main/wire/ip/index.ts'
import { bench, utf8 } from './harness.ts'

describe('one 802.15.4 frame', () => {
  it('says by how many bytes a request is too large', () => {
    const { roomBytes } = fitFrame(0)
    expect(roomBytes).toBeGreaterThan(40)
    expect(fitFrame(roomBytes)).toEqual({ fits: true, roomBytes, bytesTooMany: 0, frames: 1 })
    expect(fitFrame(roomBytes + 7)).toMatchObject({ fits: false, bytesTooMany: 7, frames: 2 })
  })

  it('counts the protection of link and message', () => {
    const open = fitFrame(40, { linkSecurityBytes: 0 })
    const closed = fitFrame(40, { linkSecurityBytes: 18 })
    expect(open.roomBytes - closed.roomBytes).toBe(18)
    expect(fitFrame(10, { messageSecurityBytes: GROUP_OSCORE_BYTES.groupMode }).bytesTooMany).toBeGreaterThan(0)
  })

  it('counts fragments in units of eight bytes (RFC 4944 §5.3)', () => {
    // 127 - 17 - 10 = 100 bytes in a frame; the first carries 100 - 4 - 34 = 62, so 48 + 56; later ones 88 of 95.
    expect(fitFrame(56 + 88).frames).toBe(2)
    expect(fitFrame(56 + 88 + 1).frames).toBe(3)
    expect(fitFrame(56 + 88 * 12).frames).toBe(13)
    expect(fitFrame(500, { frameBytes: 30 }).frames).toBe(Number.POSITIVE_INFINITY)
  })

  it('never takes fewer frames for more bytes (property)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1280 }), fc.integer({ min: 0, max: 60 }), (bytes, security) => {
        const less = fitFrame(bytes, { messageSecurityBytes: security })
        const more = fitFrame(bytes + 1, { messageSecurityBytes: security })
        expect(more.frames).toBeGreaterThanOrEqual(less.frames)
        expect(less.fits).toBe(less.frames === 1)
        expect(less.fits ? bytes <= less.roomBytes : bytes === less.roomBytes + less.bytesTooMany).toBe(true)
      }),
    )
  })

  it.each([
    ['ff02::1', 1],
    ['ff02::fd', 1],
    ['ff03::fd', 4],
    ['ff05::12:3456', 4],
    ['ff05::1:12:3456', 6],
    ['ff05::db8:8000:1', 16],
    ['ff35:30:2001:db8:f1::8000:1', 16],
  ] as const)('compresses %s to %d bytes (RFC 6282 §3.1.1)', (address, bytes) => {
    const parsed = parseIpv6(address)!
    expect(compressedMulticastBytes(parsed)).toBe(bytes)
    expect(compressedHeaderBytes(parsed, 8)).toBe(18 + bytes)
  })

  it('agrees with the datagram that a group request makes', () => {
    const { endpoint } = bench()
    const bytes = endpoint.groupRequestBytes({ method: 'PUT', path: ['gp', 'gp1', 'light'], payload: utf8('x'.repeat(60)) })
    const fit = fitFrame(bytes, { headerBytes: compressedHeaderBytes(parseIpv6('ff03::fd')!, 8) })
    expect(fit).toMatchObject({ fits: false, bytesTooMany: bytes - fit.roomBytes })
  })
})

describe('multicast scope', () => {
  it('is the smallest that does', () => {
    const names = ['ff0e::1234', 'ff05::1234', 'ff03::1234', 'ff02::1234']
    expect(chooseGroupAddress(names)).toBe('ff02::1234')
    expect(chooseGroupAddress(names, 'realm-local')).toBe('ff03::1234')
    expect(chooseGroupAddress(names, 'admin-local')).toBe('ff05::1234')
    expect(chooseGroupAddress(names, 'organization-local')).toBe('ff0e::1234')
  })

  it('is the widest there is where none reaches far enough', () => {
    expect(chooseGroupAddress(['ff02::1', 'ff03::1'], 'global')).toBe('ff03::1')
    expect(() => chooseGroupAddress(['2001:db8::1', 'ff01::1'])).toThrow(expect.objectContaining({ code: 'group.address-invalid' }))
  })

  it('is found as other code finds it, in any IPv6 multicast address (property, against wire/ip and ipaddr.js)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const address = ipaddr.fromByteArray([0xff, ...bytes.slice(1)]).toString()
        const scope = groupScopeOf(address)
        expect(scope).toBe(multicastScopeOf(address))
      }),
    )
  })

  it('of IPv4 follows RFC 2365', () => {
    expect(['224.0.0.251', '224.0.1.187', '239.255.1.1', '239.192.0.1', '239.1.0.1', '192.0.2.1', '239.200.0.1'].map(groupScopeOf)).toEqual(
      ['link-local', 'global', 'site-local', 'organization-local', 'organization-local', undefined, undefined],
    )
  })

  it('names All CoAP Nodes in each (§3.9.1, RFC 7252 §12.8)', () => {
    expect(GROUP_SCOPES.map(allCoapNodes)).toEqual(['ff02::fd', 'ff03::fd', 'ff04::fd', 'ff05::fd', 'ff08::fd', 'ff0e::fd'])
    expect(serverScopes(false)).toEqual(['link-local', 'admin-local', 'site-local'])
    expect(serverScopes(true)).toContain('realm-local')
  })
})
