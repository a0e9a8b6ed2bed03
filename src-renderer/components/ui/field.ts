// What a field tells the control in its slot: the id that its label names, and where its hint or error stands.
import { inject, provide } from 'vue'
import type { ComputedRef, InjectionKey } from 'vue'

export interface FieldLink {
  readonly controlId: string
  readonly describedBy: ComputedRef<string | undefined>
}

const key: InjectionKey<FieldLink> = Symbol('field')

export const provideField = (link: FieldLink): void => provide(key, link)
/** Undefined for a control that stands alone. */
export const useField = (): FieldLink | undefined => inject(key, undefined)
