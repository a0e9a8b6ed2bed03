// Rows that come in pages: only what is in sight is fetched, answers to old questions are not taken, news are taken in calmly.
import { beforeEach, afterEach, describe, expect, it, vi } from 'vitest'
import { effectScope, nextTick, ref } from 'vue'
import { usePages } from '../../src-renderer/composables/use-pages.ts'
import type { Page, Pages } from '../../src-renderer/composables/use-pages.ts'

interface World {
  readonly asked: string[]
  readonly pages: Pages<string>
  readonly query: ReturnType<typeof ref<string>>
  readonly version: ReturnType<typeof ref<number>>
  readonly stop: () => void
}

function start(load: (page: number, size: number, query: string) => Promise<Page<string> | undefined>, size = 10): World {
  const asked: string[] = []
  const query = ref('a')
  const version = ref(1)
  const scope = effectScope()
  const pages = scope.run(() =>
    usePages<string>({
      query: () => query.value,
      version: () => version.value,
      load: (page, count) => {
        asked.push(`${query.value}${page}`)
        return load(page, count, query.value)
      },
      size,
    }),
  )!
  return { asked, pages, query, version, stop: () => scope.stop() }
}

/** `total` rows of the text of the query and their number. */
const counted =
  (total: number) =>
  (page: number, size: number, query: string): Promise<Page<string>> =>
    Promise.resolve({
      total,
      rows: Array.from({ length: Math.min(size, Math.max(0, total - page * size)) }, (_, at) => `${query}${page * size + at}`),
    })

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTick()
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('usePages', () => {
  it('fetches the first page at once, and others only when they come into sight', async () => {
    const { pages, asked } = start(counted(100_000))
    expect(pages.ready.value).toBe(false)
    await settle()
    expect([asked, pages.total.value, pages.ready.value]).toEqual([['a0'], 100_000, true])
    expect([pages.rowAt(9), pages.rowAt(10)]).toEqual(['a9', undefined])
    pages.need(99_985, 99_999)
    await settle()
    expect(asked).toEqual(['a0', 'a9998', 'a9999'])
    expect(pages.rowAt(99_999)).toBe('a99999')
  })

  it('skips what was scrolled past while an answer was on its way', async () => {
    const answers: Array<() => void> = []
    const { pages, asked } = start(async (page, size, query) => {
      await new Promise<void>((resolve) => answers.push(resolve))
      return counted(1000)(page, size, query)
    })
    for (let first = 0; first < 500; first += 10) pages.need(first, first + 5)
    answers.shift()?.()
    await settle()
    expect(asked).toEqual(['a0', 'a49'])
  })

  it('keeps few pages, whatever is scrolled through', async () => {
    const { pages } = start(counted(100_000))
    for (let page = 0; page < 200; page++) {
      pages.need(page * 10, page * 10 + 9)
      await settle()
    }
    expect(pages.pages.value.size).toBeLessThan(40)
    pages.need(0, 9)
    await settle()
    expect(pages.rowAt(0)).toBe('a0')
  })

  it('shows the rows of the old search until the new one is answered, and never mixes them', async () => {
    const answers = new Map<string, () => void>()
    const { pages, query } = start(async (page, size, asking) => {
      if (asking !== 'a') await new Promise<void>((resolve) => answers.set(asking, resolve))
      return counted(asking === 'a' ? 100 : 5)(page, size, asking)
    })
    await settle()
    pages.need(40, 49)
    await settle()
    query.value = 'b'
    await settle()
    query.value = 'c'
    await settle()
    expect(pages.rowAt(0)).toBe('a0')
    answers.get('b')?.()
    await settle()
    expect(pages.rowAt(0)).toBe('a0')
    answers.get('c')?.()
    await settle()
    expect([pages.rowAt(0), pages.rowAt(4), pages.rowAt(40), pages.total.value]).toEqual(['c0', 'c4', undefined, 5])
  })

  it('takes news in at most once a second, and only for what is in sight', async () => {
    let edition = 0
    const { pages, version, asked } = start((page, size) => counted(1000)(page, size, `${edition} `))
    await settle()
    pages.need(500, 509)
    await settle()
    asked.length = 0
    for (edition = 1; edition <= 5; edition++) {
      version.value = edition + 1
      await settle()
      vi.advanceTimersByTime(100)
    }
    expect(asked).toEqual(['a50'])
    vi.advanceTimersByTime(1000)
    await settle()
    expect(asked).toEqual(['a50', 'a50'])
    expect([pages.rowAt(500), pages.rowAt(0)]).toEqual(['6 500', undefined])
  })

  it('finds the end of a list that nobody counts when it gets there', async () => {
    const { pages } = start(async (page, size, query) => ({ ...(await counted(25)(page, size, query)), total: null }))
    await settle()
    expect([pages.total.value, pages.isCounted.value]).toEqual([11, false])
    pages.need(8, 10)
    await settle()
    expect(pages.total.value).toBe(21)
    pages.need(18, 20)
    await settle()
    expect([pages.total.value, pages.isCounted.value]).toEqual([25, true])
  })

  it('does not ask on and on where it fails', async () => {
    const { asked, pages } = start(() => Promise.resolve(undefined))
    await settle()
    expect([asked, pages.ready.value]).toEqual([['a0'], false])
    pages.refresh()
    await settle()
    expect(asked).toEqual(['a0', 'a0'])
  })

  it('is silent once nobody looks', async () => {
    const { version, asked, stop } = start(counted(10))
    await settle()
    stop()
    version.value = 9
    await settle()
    vi.advanceTimersByTime(5000)
    expect(asked).toEqual(['a0'])
  })
})
