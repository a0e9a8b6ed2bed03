// What is done with each found group: left out, taken at the address where it was found, or with the project's own; perhaps under another name.
import type { FoundGroup } from '#contract/model.ts'
import type { OpInput } from '#contract/ops.ts'

export interface Choice {
  readonly as: 'found' | 'project' | 'skip'
  readonly name: string
}

type Adoption = NonNullable<OpInput<'survey.adopt'>['choices']>[number]

/** Whether there is anything to take: it has an address, and the project does not have all of it. */
export function isTakeable({ verdict, here }: Pick<FoundGroup, 'verdict' | 'here'>): boolean {
  if (verdict === 'no-address' || verdict === 'address-invalid') return here !== null
  return verdict !== 'known'
}

/** What has no conflict is taken unless a person says otherwise; a conflict waits for a decision. */
export function startingChoice({ verdict, name }: Pick<FoundGroup, 'verdict' | 'name'>): Choice {
  return { as: verdict === 'new' || verdict === 'more-members' ? 'found' : 'skip', name }
}

export function choicesOf(rows: readonly FoundGroup[], choices: ReadonlyMap<string, Choice>): readonly Adoption[] {
  return rows.flatMap((row) => {
    const { as, name } = choices.get(row.key) ?? startingChoice(row)
    if (as === 'skip' || !isTakeable(row)) return []
    const wanted = name.trim()
    return [{ key: row.key, as, ...(wanted === '' || wanted === row.name ? {} : { name: wanted }) }]
  })
}
