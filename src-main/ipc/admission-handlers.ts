// The ops of admission. It tells the audit itself what was decided, and by whom; secrets of labels never reach it.
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type AdmissionHandlers = { readonly [Name in keyof Handlers as Name extends `admission.${string}` ? Name : never]: Handlers[Name] }

export function admissionHandlers(core: Core): AdmissionHandlers {
  const desk = () => core.site().admission
  return {
    'admission.open': (input, { actor }) => desk().open(input, actor),
    'admission.close': (_input, { actor }) => desk().shut(actor),
    'admission.setPolicy': (input, { actor }) => desk().setPolicy(input, actor),
    'admission.pledge': ({ key }) => desk().pledge(key),
    'admission.admit': (input, { actor }) => desk().admit(input, actor),
    'admission.deny': (input, { actor }) => desk().deny(input, actor),
    'admission.undeny': (input, { actor }) => desk().undeny(input, actor),
    'admission.denied': (input) => desk().denied(input),
    'admission.forget': (input, { actor }) => desk().forget(input, actor),
    'admission.assign': (input, { actor }) => {
      // What the device was until now has certificates that nobody is to use any more.
      const retire = input.replace ? core.site().replacing(input.deviceId, input.key) : undefined
      desk().assign(input, actor)
      retire?.(actor)
    },
    'admission.scan': (input, { actor }) => desk().scan(input, actor),
    'admission.list': (input) => desk().list(input),
    'admission.unlist': (input, { actor }) => desk().unlist(input, actor),
    'admission.importVouchers': (input, { actor }) => desk().importVouchers(input, actor),
    'admission.vouchers': (input) => desk().vouchers(input),
    'admission.removeVouchers': (input, { actor }) => desk().removeVouchers(input, actor),
  }
}
