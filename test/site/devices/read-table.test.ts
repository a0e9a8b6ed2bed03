// Reading rows (RFC 4180), with papaparse as the oracle.
import fc from 'fast-check'
import Papa from 'papaparse'
import { describe, expect, it } from 'vitest'
import { readTable } from '#main/site/devices/import/read-table.ts'

const cells = (text: string, delimiter?: string): ReadonlyArray<readonly string[]> =>
  readTable(text, delimiter).rows.map((row) => row.cells)

describe('rows', () => {
  it('are those that papaparse reads, from what papaparse writes', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', 'ü', '"', ',', ';', '\t', '|', '\n', ' ', '=', "'"), maxLength: 8 })
    const table = fc.array(fc.array(cell, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 })
    const format = fc.record({
      delimiter: fc.constantFrom(',', ';', '\t', '|'),
      newline: fc.constantFrom('\n', '\r\n', '\r'),
      quotes: fc.boolean(),
    })
    fc.assert(
      fc.property(table, format, (rows, { delimiter, newline, quotes }) => {
        const filled = rows.map((row, index) => [`r${index}`, ...row])
        const text = Papa.unparse(filled, { delimiter, newline, quotes })
        expect(cells(text, delimiter)).toEqual(filled)
        expect(cells(text, delimiter)).toEqual(Papa.parse(text.replace(/\r\n?/g, '\n'), { delimiter, newline: '\n' }).data)
        expect(readTable(text, delimiter).rows.some(({ badQuotes }) => badQuotes)).toBe(false)
      }),
      { numRuns: 1000 },
    )
  })

  it('begin on the line where they begin in the file', () => {
    expect(readTable('a,b\r\n\r\n"x\r\n\r\ny",1\rlast,"2\n"\n\n\nend,', ',').rows.map(({ line, cells: [first] }) => [line, first])).toEqual(
      [
        [1, 'a'],
        [3, 'x\n\ny'],
        [6, 'last'],
        [10, 'end'],
      ],
    )
  })

  it('keep empty cells at their end, and quotes inside of cells', () => {
    expect(cells('a,b,\n,,x\n1" pipe,2\n"",y', ',')).toEqual([
      ['a', 'b', ''],
      ['', '', 'x'],
      ['1" pipe', '2'],
      ['', 'y'],
    ])
  })

  it('may have thousands of empty columns behind the last one', () => {
    const tail = ','.repeat(16_000)
    expect(cells(`Name,Serial${tail}\n${tail}\nA,1${tail}`)).toEqual([
      ['Name', 'Serial'],
      ['A', '1'],
    ])
    expect(() => cells(`Name${tail}x`)).toThrow(
      expect.objectContaining({ code: 'import.unreadable', details: { reason: 'too-many-columns', line: 1, limit: 200 } }),
    )
  })

  it('with quotes that do not close cost their own line only', () => {
    expect(readTable('a,b\n"open,1\nc,"x"y\nd,2\n', ',').rows).toEqual([
      { line: 1, cells: ['a', 'b'], badQuotes: false },
      { line: 2, cells: ['"open', '1'], badQuotes: true },
      { line: 3, cells: ['c', '"x"y'], badQuotes: true },
      { line: 4, cells: ['d', '2'], badQuotes: false },
    ])
  })

  it('are refused as a whole when hundreds of them have bad quotes', () => {
    expect(() => readTable(`a,b\n${'"x\n'.repeat(500)}`, ',')).toThrow(
      expect.objectContaining({ code: 'import.unreadable', details: { reason: 'bad-quotes', line: 2 } }),
    )
  })
})
