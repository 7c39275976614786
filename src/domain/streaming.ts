/**
 * What of an answer that a model is still writing may be shown already. The whole answer is looked over before it is one; this lets through
 * only what would pass by itself, keeps back what may turn out to be something else (a word that is not whole, the lines for us at the end,
 * a call of a tool), and stops where the text begins to repeat what the model was told in confidence.
 */
import { bare, type Guarded, whyBlocked } from './guard.ts'
import { readAnswer } from './prompt.ts'

/** So many letters in a row of what is confidential are no chance any more. */
const RUN_LETTERS = 32

/** @returns the text that may be read so far, maybe empty; it may be another one than before, should that have been wrong */
export function sayable(raw: string, about: Guarded): string {
  // Thinking, a call, a block of code: only its end tells what it is.
  if (/^\s*(?:<|\{|\[|```)/.test(raw)) return ''
  const lines = withoutLastWord(raw).split('\n')
  while (lines.length > 0 && mayBeForUs(lines.at(-1)!)) lines.pop()
  const text = readAnswer(withoutOpenEnd(lines.join('\n')), 0).text
  if (text === '' || whyBlocked(text, about) !== null) return ''
  return withoutRun(text, about)
}

/** A key, a token or a marker is written without blanks in letters of ASCII, so it is seen whole or not at all. */
function withoutLastWord(raw: string): string {
  return raw.replace(/[\x21-\x7e]+$/, '')
}

/** What may become a call, or a block of code, is not shown before its end says what it is. */
function withoutOpenEnd(text: string): string {
  const fences = [...text.matchAll(/```/g)]
  const fence = fences.length % 2 === 1 ? fences.at(-1)!.index : text.length
  const brace = /[{[]\s*(?:"[^{}]*)?$/.exec(text.slice(0, fence))?.index ?? fence
  return text.slice(0, brace)
}

/** The two lines that end an answer (prompt.ts), as far as they are written. */
function mayBeForUs(line: string): boolean {
  const said = line
    .replace(/^[\s*_`>#-]+/, '')
    .trimEnd()
    .toUpperCase()
  return ['SOURCES:', 'HANDOFF:'].some(name => name.startsWith(said) || said.startsWith(name.slice(0, 6)))
}

/** Not the words at its end that stand in the instructions in just this order. */
function withoutRun(text: string, { instructions, system, open }: Guarded): string {
  const kept = bare(`${system}\n${instructions}`)
  const known = open.map(bare).join('\n')
  const isRun = (said: string) => {
    const end = bare(said.slice(-4 * RUN_LETTERS)).slice(-RUN_LETTERS)
    return end.length === RUN_LETTERS && kept.includes(end) && !known.includes(end)
  }
  let said = text
  while (said !== '' && isRun(said)) said = said.replace(/\s*(?:[\w-]+|[^\w\s-])$/, '')
  return said
}
