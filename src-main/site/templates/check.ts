// Whether a template means something: every name it uses is its own, and groups that share do not do so in a circle. Pure.
import { AppError } from '#main/base/index.ts'
import type { TemplateText } from '#contract/model.ts'

/** Throws `template.invalid`, which says what is wrong and where. */
export function checkTemplate(template: TemplateText): void {
  const roles = template.roles.map(({ key }) => key)
  const groups = new Map(template.groups.map((group) => [group.key, group]))
  const twice =
    firstTwice(roles) ?? firstTwice(template.groups.map(({ key }) => key)) ?? firstTwice(template.groups.map(({ name }) => name))
  if (twice !== undefined) throw invalid('twice', twice)
  for (const group of template.groups) {
    const unknown = group.roles.find((role) => !roles.includes(role))
    if (unknown !== undefined) throw invalid('unknown-role', unknown)
    const share = [group.coapWith, group.security.mode === 'with' ? group.security.group : null]
    for (const other of share) {
      if (other === null) continue
      const target = groups.get(other)
      if (target === undefined) throw invalid('unknown-group', other)
      // One step is enough for every building; longer chains only hide who owns what.
      if (other === group.key || (other === group.coapWith && target.coapWith !== null)) throw invalid('shared-in-turn', group.key)
      if (group.security.mode === 'with' && other === group.security.group && target.security.mode === 'with')
        throw invalid('shared-in-turn', group.key)
    }
  }
}

function firstTwice(values: readonly string[]): string | undefined {
  return values.find((value, index) => values.indexOf(value) !== index)
}

function invalid(reason: string, value: string): AppError {
  return new AppError('template.invalid', `The template cannot be used: ${reason} ${value}`, { details: { reason, value } })
}
