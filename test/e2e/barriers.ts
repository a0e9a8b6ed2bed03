// Looks at a page with axe.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

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

/** What axe calls serious or critical, with the first element that it concerns. */
export async function seriousBarriers(page: Page): Promise<readonly string[]> {
  await page.evaluate(axeSource)
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as AxeWindow
    const { violations } = await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'], iframes: false })
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id} (${String(nodes.length)}): ${nodes[0]?.html.slice(0, 200) ?? ''}`)
  })
}
