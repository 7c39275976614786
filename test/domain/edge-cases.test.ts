/**
 * Every edge case is a test or a row of docs/decisions.md that says why not. A test claims a row by beginning its name with the
 * row's id; a table of names, or of mails whose names are the tests', does it too. What a claim is worth, only a reader can say.
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { edgeCaseIds } from './edge-case-ids.ts'

const root = join(import.meta.dirname, '../..')

/** Comments, regular expressions and literals, in the order in which a reader of the file meets them; only the last are kept. */
const TOKEN =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|(?<=[(,=:[!&|?{};]\s*)\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/|'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g

/** `A12 `, `C10 C11 `, `D4, D5 `: one id or several, and then what they prove. */
const CLAIM = /^(?:[A-Z]{1,2}\d+b?[ ,]+)+/

/** The ids with which literals of this source begin, but for those of tests that are switched off. */
function claimsIn(source: string): string[] {
  return [...source.matchAll(TOKEN)].flatMap(token => {
    const text = token[1] ?? token[2] ?? token[3] ?? ''
    const off = /\.(?:skip|todo|fails)\(\s*$/.test(source.slice(Math.max(0, token.index - 40), token.index))
    return off ? [] : (CLAIM.exec(text)?.[0].match(/[A-Z]{1,2}\d+b?/g) ?? [])
  })
}

interface Row {
  id: string
  state: string
  what: string
  instead: string
}

/** The rows of the tables: id, state, the input in a few words, what we do instead and why. */
function rowsIn(page: string): Row[] {
  return page
    .split('\n')
    .map(line => line.split('|').map(cell => cell.trim()))
    .filter(cells => /^[A-Z]\d+b?$/.test(cells[1] ?? ''))
    .map(cells => ({
      id: cells[1]!,
      state: cells[2] ?? '',
      what: cells[3] ?? '',
      instead: cells.slice(4).join(' ').trim(),
    }))
}

const files = globSync('test/**/*.ts', { cwd: root })
const claimed = new Set(files.flatMap(file => claimsIn(readFileSync(join(root, file), 'utf8'))))
const decided = rowsIn(readFileSync(join(root, 'docs/decisions.md'), 'utf8'))
const notDone = new Set(decided.filter(row => row.state === 'not done').map(row => row.id))

describe('every edge case', () => {
  it('EC1 is a test, or is not done and docs/decisions.md says why', () => {
    expect(edgeCaseIds.filter(id => !claimed.has(id) && !notDone.has(id))).toEqual([])
  })

  it('EC2 that is not done has no test, and one that is done otherwise or in part has', () => {
    expect([...notDone].filter(id => claimed.has(id))).toEqual([])
    expect(decided.filter(row => !notDone.has(row.id) && !claimed.has(row.id))).toEqual([])
  })

  it('EC3 that is decided is one of the list, decided once, and says what is done instead and why', () => {
    const ids = decided.map(row => row.id)
    expect(ids.filter(id => !edgeCaseIds.includes(id))).toEqual([])
    expect(ids.filter((id, n) => ids.indexOf(id) !== n)).toEqual([])
    for (const { id, state, what, instead } of decided) {
      expect(['not done', 'in part', 'otherwise'], id).toContain(state)
      expect(what.length, id).toBeGreaterThan(8)
      expect(instead, id).toMatch(/\w{3}.{20,}[.)]$/)
    }
  })

  it('EC4 is looked for in all tests, by an id that stands once in the list', () => {
    expect(files.length).toBeGreaterThan(80)
    expect(
      edgeCaseIds.filter((id, n) => !/^[A-IO]\d+b?$|^N\d+$/.test(id) || edgeCaseIds.indexOf(id) !== n),
    ).toEqual([])
  })
})

describe('a claim', () => {
  it.each([
    [`it('A1 something', f)`, ['A1']],
    [`it('RS1 H12 C3 something', f)`, ['RS1', 'H12', 'C3']],
    ['it.each([["A12b, D5 something"]])', ['A12b', 'D5']],
    [`add(\`E7 \${what}\`, mail)`, ['E7']],
    [`x(\`it is \${y ? \`A1 z\` : "B2 z"}\`)`, []],
    [`// it('A1 something', f)`, []],
    [`/* it('A1 something', f) */ it('A2 x')`, ['A2']],
    [`x.replace(/['"]/g, '').it('A3 x')`, ['A3']],
    [`const url = 'http://x' // 'A4 x'\nit('A5 x')`, ['A5']],
    [`it.skip('A1 something', f)`, []],
    [`it.todo(\n  'A1 something')`, []],
    [`it('A1', f)`, []],
    [`it('does A1 something', f)`, []],
    [`it('it\\'s', f); it('A6 x')`, ['A6']],
  ])('EC5 %j: %j', (source, ids) => {
    expect(claimsIn(source)).toEqual(ids)
  })
})
