// The form of a destination: what it makes of what was typed, and back.
import { describe, expect, it } from 'vitest'
import type { PushTargetSettings } from '#contract/model.ts'
import { newPushTarget } from '#contract/model.ts'
import { emptyTarget, faultOf, formOf, settingsOf, urlFor } from '../../../../src-renderer/views/handover/target-form.ts'

const filled = { ...emptyTarget(), name: ' Fleet ', url: ' https://fleet.example/site ' }

describe('the form of a destination', () => {
  it.each<[string, Partial<ReturnType<typeof emptyTarget>>]>([
    ['HTTPS', {}],
    [
      'HTTPS with a client certificate',
      { auth: 'certificate', certificate: '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----' },
    ],
    ['MQTT 3.1.1', { kind: 'mqtt', url: 'mqtts://broker.example', version: '4', topic: 'a/b', retain: false, auth: 'basic', user: 'me' }],
    ['Ditto', { kind: 'mqtt', url: 'mqtts://broker.example', content: 'ditto', namespace: 'org.example', subject: 'nginx:me' }],
    ['a bundle with keys', { receiver: '{"kty":"EC"}' }],
  ])('gives settings that the contract takes, and shows them again: %s', (_what, change) => {
    const settings = settingsOf({ ...filled, ...change })
    expect(newPushTarget.safeParse(settings).success).toBe(true)
    expect(settingsOf(formOf(settings))).toEqual(settings)
  })

  it('never puts a secret into the settings, nor keeps what does not belong to the choice', () => {
    const settings: PushTargetSettings = settingsOf({
      ...filled,
      auth: 'bearer',
      secret: 'token',
      certificate: 'x',
      content: 'json',
      receiver: 'y',
    })
    expect(JSON.stringify(settings)).not.toContain('token')
    expect(settings).toMatchObject({ certificate: null, receiver: null, name: 'Fleet', url: 'https://fleet.example/site' })
    expect(formOf(settings).secret).toBe('')
  })

  it('names the first field that is not right', () => {
    expect(faultOf(emptyTarget())).toBe('name')
    expect(faultOf({ ...filled, url: 'http://plain.example' })).toBe('url')
    expect(faultOf({ ...filled, kind: 'mqtt' })).toBe('url')
    expect(faultOf({ ...filled, url: 'https://me:secret@fleet.example/site' })).toBe('url')
    expect(faultOf({ ...filled, url: 'https://fleet.example/@site?a=b@c' })).toBeUndefined()
    expect(faultOf({ ...filled, kind: 'mqtt', url: 'mqtts://b', topic: 'a/#' })).toBe('topic')
    expect(faultOf({ ...filled, auth: 'certificate' })).toBe('certificate')
    expect(faultOf(filled)).toBeUndefined()
  })

  it('changes the scheme with the kind as long as nothing else was typed', () => {
    expect(urlFor('mqtt', 'https://')).toBe('mqtts://')
    expect(urlFor('mqtt', 'https://fleet.example')).toBe('https://fleet.example')
  })
})
