// Looks at a page with axe.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import { settled } from './settled.ts'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface AxeWindow {
  readonly axe: {
    run(options: object): Promise<{
      readonly violations: ReadonlyArray<{
        readonly id: string
        readonly impact: string
        readonly nodes: ReadonlyArray<{ readonly html: string }>
      }>
    }>
  }
}

/**
 * What axe calls serious or critical, with the first element that it concerns. Only what a second look still finds: rows that come in, or
 * a sheet that fades, can begin between the page's rest and the first look, and have the colours of neither state.
 */
export async function seriousBarriers(page: Page): Promise<readonly string[]> {
  await page.evaluate(axeSource)
  const first = await look(page)
  if (first.length === 0) return []
  await settled(page)
  const rules = new Set(first.map(ruleOf))
  return (await look(page)).filter((barrier) => rules.has(ruleOf(barrier)))
}

function ruleOf(barrier: string): string {
  return barrier.slice(0, barrier.indexOf(' '))
}

function look(page: Page): Promise<readonly string[]> {
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as AxeWindow
    const { violations } = await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'], iframes: false })
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id} (${String(nodes.length)}): ${nodes[0]?.html.slice(0, 200) ?? ''}`)
  })
}
