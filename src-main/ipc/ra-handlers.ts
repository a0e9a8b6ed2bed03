// The ops of the registration authority. It tells the audit itself what was done, and by whom; secrets never reach it.
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type RaHandlers = { readonly [Name in keyof Handlers as Name extends `ra.${string}` ? Name : never]: Handlers[Name] }

export function raHandlers(core: Core): RaHandlers {
  const desk = () => core.site().enrolment.desk
  return {
    'ra.createRoot': (input, { actor }) => desk().createRoot(input, actor),
    'ra.createSubordinate': (input, { actor }) => desk().createSubordinate(input, actor),
    'ra.request': () => desk().request(),
    'ra.install': (input, { actor }) => desk().install(input, actor),
    'ra.rollOver': (input, { actor }) => desk().rollOver(input, actor),
    'ra.startOver': (_input, { actor }) => desk().startOver(actor),
    'ra.crl': (input) => desk().crl(input),
    'ra.chain': (input) => desk().chain(input),
    'ra.pending': (input) => desk().pending(input),
    'ra.approve': (input, { actor }) => desk().approve(input, actor),
    'ra.deny': (input, { actor }) => desk().deny(input, actor),
    'ra.certificates': (input) => desk().certificates(input),
    'ra.certificate': (input) => desk().certificate(input),
    'ra.revoke': (input, { actor }) => desk().revoke(input, actor),
    'ra.preRegistrations': (input) => desk().preRegistrations(input),
    'ra.preRegister': (input, { actor }) => desk().preRegister(input, actor),
    'ra.withdraw': (input, { actor }) => desk().withdraw(input, actor),
    'ra.setPolicy': (input, { actor }) => desk().setPolicy(input, actor),
    'ra.setProfiles': (input, { actor }) => desk().setProfiles(input, actor),
    'ra.trust': (input, { actor }) => desk().trust(input, actor),
    'ra.distrust': (input, { actor }) => desk().distrust(input, actor),
    'ra.setUpstream': (input, { actor }) => desk().setUpstream(input, actor),
    'ra.removeUpstream': (input, { actor }) => desk().removeUpstream(input, actor),
    'ra.enrolUpstream': (input, { actor }) => desk().enrolUpstream(input, actor),
    'ra.news': (input) => desk().news(input),
    'ra.decideNews': (input, { actor }) => desk().decideNews(input, actor),
  }
}
