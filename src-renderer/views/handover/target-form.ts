// What is filled in for a destination, and the settings that come of it.
import type { PushAuth, PushContent, PushTargetSettings } from '#contract/model.ts'

export interface TargetForm {
  name: string
  kind: 'https' | 'mqtt'
  url: string
  content: PushContent
  method: 'PUT' | 'POST'
  version: '4' | '5'
  topic: string
  retain: boolean
  auth: PushAuth
  user: string
  secret: string
  certificate: string
  anchors: string
  namespace: string
  subject: string
  receiver: string
}

export function emptyTarget(): TargetForm {
  return {
    name: '',
    kind: 'https',
    url: 'https://',
    content: 'bundle',
    method: 'PUT',
    version: '5',
    topic: 'groupwright',
    retain: true,
    auth: 'none',
    user: '',
    secret: '',
    certificate: '',
    anchors: '',
    namespace: 'groupwright.site',
    subject: 'nginx:ditto',
    receiver: '',
  }
}

export function formOf(settings: PushTargetSettings): TargetForm {
  const { name, kind, url, content, auth, user, certificate, anchors, ditto, receiver } = settings
  const common = {
    name,
    kind,
    url,
    content,
    auth,
    user,
    certificate: certificate ?? '',
    anchors: anchors ?? '',
    ...ditto,
    receiver: receiver ?? '',
  }
  return settings.kind === 'https'
    ? { ...emptyTarget(), ...common, method: settings.method }
    : { ...emptyTarget(), ...common, version: settings.version === 4 ? '4' : '5', topic: settings.topic, retain: settings.retain }
}

export function settingsOf(form: TargetForm): PushTargetSettings {
  const { name, url, content, auth, user } = form
  const common = {
    name: name.trim(),
    url: url.trim(),
    content,
    auth,
    user: auth === 'none' || auth === 'certificate' ? '' : user.trim(),
    anchors: orNull(form.anchors),
    certificate: auth === 'certificate' ? orNull(form.certificate) : null,
    ditto: { namespace: form.namespace.trim(), subject: form.subject.trim() },
    receiver: content === 'bundle' ? orNull(form.receiver) : null,
  }
  return form.kind === 'https'
    ? { kind: 'https', method: form.method, ...common }
    : { kind: 'mqtt', version: form.version === '4' ? 4 : 5, topic: form.topic.trim(), retain: form.retain, ...common }
}

/** The first field that is not filled in as it must be. */
export function faultOf(form: TargetForm): 'name' | 'url' | 'topic' | 'certificate' | undefined {
  if (form.name.trim() === '') return 'name'
  // Without a user name or password: an address is shown to everybody.
  const scheme = form.kind === 'https' ? /^https:\/\/[^/\s?#@]+(?:[/?#]|$)/ : /^mqtts:\/\/[^/\s?#@]+(?:[/?#]|$)/
  if (!scheme.test(form.url.trim())) return 'url'
  if (form.kind === 'mqtt' && !/^[^+#]+$/.test(form.topic.trim())) return 'topic'
  if (form.auth === 'certificate' && orNull(form.certificate) === null) return 'certificate'
  return undefined
}

/** A scheme that goes with the kind, as long as nothing else was typed. */
export function urlFor(kind: TargetForm['kind'], url: string): string {
  return /^(?:https|mqtts):\/\/$/.test(url) ? (kind === 'https' ? 'https://' : 'mqtts://') : url
}

function orNull(text: string): string | null {
  return text.trim() === '' ? null : text.trim()
}
