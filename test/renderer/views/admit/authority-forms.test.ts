// The forms of the authority: what is typed comes back as the contract wants it, and what cannot be is not sent.
import { describe, expect, it } from 'vitest'
import { raAuthority, raProfile, raUpstream } from '#contract/model.ts'
import type { RaProfile, RaUpstreamRow } from '#contract/model.ts'
import {
  keyTypes,
  keyUsages,
  modes,
  profileDraft,
  profileOf,
  selectors,
  upstreamDraft,
  upstreamOf,
  withProfile,
} from '../../../../src-renderer/views/admit/authority-forms.ts'
import de from '../../../../src-renderer/locales/de/admit.json' with { type: 'json' }
import en from '../../../../src-renderer/locales/en/admit.json' with { type: 'json' }

const server: RaUpstreamRow = {
  name: 'Head office',
  url: 'https://pki.example/.well-known/cmp',
  select: { by: 'profile', profile: 'gateway' },
  mode: 'replace',
  popo: 'raVerified',
  passSecrets: false,
  chunked: false,
  anchors: ['CN=Root'],
  credentialUntil: null,
  listening: { state: 'off', heardAt: null, problem: null },
}
const profile: RaProfile = {
  name: 'device',
  keyTypes: ['P-256'],
  lifetimeDays: 365,
  keyUsage: ['digitalSignature'],
  extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'],
  subject: 'assigned',
  assignedSubject: 'CN={name}',
  assignedAltNames: ['dns:{name}'],
  policies: [],
  renewBeforeDays: null,
  implicitConfirm: true,
  newKeyOnUpdate: true,
  revokeReplaced: false,
}

describe('a server above', () => {
  it('comes back as it was, without what only its row says', () => {
    expect({ ...upstreamOf(upstreamDraft(server)), anchors: server.anchors, credentialUntil: null, listening: server.listening }).toEqual(
      server,
    )
    for (const select of [{ by: 'host' as const, host: 'pki.example' }, { by: 'default' as const }])
      expect(upstreamOf(upstreamDraft({ ...server, select }))?.select).toEqual(select)
  })

  it('keeps nothing that its mode does not have', () => {
    const draft = { ...upstreamDraft(server), passSecrets: true, vouches: true }
    expect(upstreamOf({ ...draft, mode: 'forward' })).toMatchObject({ popo: 'keep', passSecrets: true })
    expect(upstreamOf({ ...draft, mode: 'nest' })).toMatchObject({ popo: 'keep', passSecrets: false })
    expect(upstreamOf({ ...draft, mode: 'replace' })).toMatchObject({ popo: 'raVerified', passSecrets: false })
  })

  it.each([
    ['no name', { name: ' ' }],
    ['no host in its address', { url: 'https://' }],
    ['an address of another kind', { url: 'ftp://pki.example/' }],
    ['no profile', { selected: '' }],
    ['a profile that is none', { selected: 'a b' }],
  ])('with %s is not sent', (_what, change) => {
    expect(upstreamOf({ ...upstreamDraft(server), ...change })).toBeUndefined()
    expect(upstreamOf(upstreamDraft())).toBeUndefined()
  })
})

describe('a certificate profile', () => {
  it('comes back as it was', () => {
    expect(profileOf(profileDraft(profile))).toEqual(profile)
    expect(raProfile.parse(profileOf(profileDraft(profile)))).toEqual(profile)
    expect(raUpstream.safeParse(upstreamOf(upstreamDraft(server))).success).toBe(true)
    expect(profileOf({ ...profileDraft(profile), renewBeforeDays: 30 })?.renewBeforeDays).toBe(30)
    expect(profileOf({ ...profileDraft(profile), assignedAltNames: ' dns:{name} \n\nuri:urn:x:{serial}' })?.assignedAltNames).toEqual([
      'dns:{name}',
      'uri:urn:x:{serial}',
    ])
    expect(profileOf({ ...profileDraft(profile), assigned: false, assignedSubject: '' })).toMatchObject({ subject: 'requested' })
  })

  it.each([
    ['no name', { name: '' }],
    ['no kind of key', { keyTypes: [] }],
    ['no lifetime', { lifetimeDays: '' }],
    ['a lifetime that is no number', { lifetimeDays: 'long' }],
    ['a renewal before it begins', { renewBeforeDays: -1 }],
    ['a purpose that is no OID', { purposes: 'clientAuth' }],
    ['no names to give', { assignedSubject: ' ' }],
  ])('with %s is not sent', (_what, change) => {
    expect(profileOf({ ...profileDraft(profile), ...change })).toBeUndefined()
  })

  it('takes the place of the one that was changed, also under a new name, and else comes last', () => {
    const other = { ...profile, name: 'gateway' }
    const renamed = { ...profile, name: 'lamp' }
    expect(withProfile([profile, other], 'device', renamed).map(({ name }) => name)).toEqual(['lamp', 'gateway'])
    expect(withProfile([profile], null, other).map(({ name }) => name)).toEqual(['device', 'gateway'])
  })
})

describe('words', () => {
  it.each([
    ['en', en],
    ['de', de],
  ])('are there for every choice: %s', (_language, words) => {
    expect([...modes]).toEqual(raUpstream.shape.mode.options)
    expect([...keyTypes]).toEqual(raProfile.shape.keyTypes.element.options)
    expect([...keyUsages]).toEqual(raProfile.shape.keyUsage.element.options)
    const known = Object.keys(words.upstream)
    for (const mode of modes) expect(known).toEqual(expect.arrayContaining([mode, `${mode}-about`]))
    for (const by of selectors) expect(known).toContain(`by-${by}`)
    for (const usage of keyUsages) expect(Object.keys(words.profiles)).toContain(usage)
    expect(raAuthority.shape.state.options).toContain('lost')
    expect(Object.keys(words.authority)).toContain('lost')
  })
})
