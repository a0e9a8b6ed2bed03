import { describe, expect, it } from 'vitest'
import { ResourceTree, type IncomingRequest, type OutgoingResponse } from '#main/wire/coap/index.ts'
import { text } from './harness.ts'

const ok = (): OutgoingResponse => ({ code: '2.05' })

function core(tree: ResourceTree, parts: Partial<IncomingRequest> = {}): OutgoingResponse | undefined {
  const request: IncomingRequest = {
    method: 'GET',
    path: ['.well-known', 'core'],
    query: [],
    payload: new Uint8Array(0),
    contentFormat: undefined,
    accept: undefined,
    options: [],
    source: { address: '::1', port: 1 },
    destination: undefined,
    multicast: false,
    channelId: 'test',
    ...parts,
  }
  const response = tree.find(request.path)?.handlers.GET?.(request)
  if (response instanceof Promise) throw new Error('expected an answer at once')
  return response
}

describe('resource tree', () => {
  it('finds a resource by its path and nothing beside it', () => {
    const tree = new ResourceTree()
    const resource = { handlers: { GET: ok } }
    tree.add('/a/b', resource)
    expect(tree.find(['a', 'b'])).toBe(resource)
    expect([tree.find(['a']), tree.find(['a', 'b', 'c']), tree.find(['b']), tree.find([])]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  it('finds the nearest subtree above a path, and the exact resource before it', () => {
    const tree = new ResourceTree()
    const outer = { handlers: {}, subtree: true }
    const inner = { handlers: {}, subtree: true }
    const exact = { handlers: {} }
    tree.add('/rd', outer)
    tree.add('/rd/x', inner)
    tree.add('/rd/x/1', exact)
    expect(tree.find(['rd', '7'])).toBe(outer)
    expect(tree.find(['rd', 'x', '9', '9'])).toBe(inner)
    expect(tree.find(['rd', 'x', '1'])).toBe(exact)
    expect(tree.find(['rd', 'x', '1', 'z'])).toBe(inner)
  })

  it('takes a slash within a segment for a part of the segment', () => {
    const tree = new ResourceTree()
    tree.add('/a/b', { handlers: { GET: ok } })
    expect(tree.find(['a/b'])).toBeUndefined()
  })

  it('takes a resource away, once, and lets another have its place', () => {
    const tree = new ResourceTree()
    const remove = tree.add('/a', { handlers: {} })
    remove()
    expect(tree.find(['a'])).toBeUndefined()
    const second = { handlers: {} }
    tree.add('/a', second)
    remove()
    expect(tree.find(['a'])).toBe(second)
  })

  it('refuses two resources at one path', () => {
    const tree = new ResourceTree()
    tree.add('/a', { handlers: {} })
    expect(() => tree.add('/a', { handlers: {} })).toThrow(expect.objectContaining({ code: 'internal' }))
  })
})

describe('/.well-known/core (RFC 6690 §4)', () => {
  function lamp(): ResourceTree {
    const tree = new ResourceTree()
    tree.add('/state', { handlers: { GET: ok }, attributes: { rt: 'gw.luminaire x.y', ct: '50', obs: null } })
    tree.add('/rd', { handlers: { POST: ok }, attributes: { rt: 'core.rd', ct: '40' } })
    tree.add('/hidden', { handlers: { GET: ok } })
    return tree
  }

  it('lists the resources that have attributes', () => {
    const response = core(lamp())
    expect(response).toMatchObject({ code: '2.05', contentFormat: 40 })
    expect(text(response!.payload!)).toBe('</state>;rt="gw.luminaire x.y";ct=50;obs,</rd>;rt="core.rd";ct=40')
  })

  it('filters by exact value, by prefix and by several queries together', () => {
    const tree = lamp()
    expect(text(core(tree, { query: ['rt=core.rd'] })!.payload!)).toBe('</rd>;rt="core.rd";ct=40')
    expect(text(core(tree, { query: ['rt=gw.*'] })!.payload!)).toContain('</state>')
    expect(text(core(tree, { query: ['rt=gw.*', 'ct=40'] })!.payload!)).toBe('')
  })

  it('answers a unicast request that nothing matches with an empty document', () => {
    expect(core(lamp(), { query: ['rt=nope'] })).toMatchObject({ code: '2.05', payload: new Uint8Array(0) })
  })

  it('stays silent to a multicast request that nothing matches (§4.1)', () => {
    expect(core(lamp(), { query: ['rt=nope'], multicast: true })).toBeUndefined()
    expect(core(new ResourceTree(), { multicast: true })).toBeUndefined()
    expect(core(lamp(), { query: ['rt=core.rd'], multicast: true })).toMatchObject({ code: '2.05' })
  })

  it('has no other format than its own', () => {
    expect(core(lamp(), { accept: 50 })).toEqual({ code: '4.06' })
    expect(core(lamp(), { accept: 40 })).toMatchObject({ code: '2.05' })
  })

  it('changes as resources come and go', () => {
    const tree = lamp()
    const remove = tree.add('/new', { handlers: {}, attributes: { rt: 'n' } })
    expect(text(core(tree)!.payload!)).toContain('</new>')
    remove()
    expect(text(core(tree)!.payload!)).not.toContain('</new>')
  })
})
