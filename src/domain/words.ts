/**
 * The words that search knows: cut the same way for the index and for the question. FTS5's own trigram tokenizer finds
 * nothing under three characters, and 退款, 密碼, 發票 are two; so scripts written without blanks are cut into
 * overlapping pairs here, and everything else by its letters. Folding is for matching only, never for showing.
 */

/** A question longer than this is a story; more words make the query slower and the answer no better. */
const MOST_QUESTION_WORDS = 64
/** Longer "words" are encoded data; their beginning is enough to find them again. */
const LONGEST_WORD = 64

/**
 * @param ends true for what is searched by single characters too: the last of a run, which begins no pair, stands by itself
 */
export function words(text: string, ends = false): string[] {
  const found: string[] = []
  // NFKC: full-width letters, ligatures and half-width kana are what they look like (UAX #15).
  for (const run of text.normalize('NFKC').toLowerCase().match(RUNS) ?? []) {
    if (UNSPACED.test(run)) addPairs(run, found, ends)
    else addWord(run, found)
  }
  return found
}

/** The words of a question that say what it is about, each once. */
export function questionWords(text: string): string[] {
  const plain = text.normalize('NFKC').replace(CJK_PHRASES, ' ').replace(CJK_PARTICLES, ' ')
  const about = new Set(words(plain).filter(word => !STOP_WORDS.has(word)))
  // A lone character is what is left between two particles; alone it is in no index but that of a text as short.
  const pairs = [...about].filter(word => word.length > 1 || !UNSPACED.test(word))
  return (pairs.length > 0 ? pairs : [...about]).slice(0, MOST_QUESTION_WORDS)
}

/**
 * An FTS5 MATCH expression. Quoted strings are never operators, and a quote inside one is doubled (FTS5 §3.1), so a
 * question cannot become a query of its own. No words match nothing: `""` is a valid phrase, an empty string is not.
 */
export function matchQuery(
  words: readonly string[],
  between: 'OR' | 'AND' = 'OR',
  isBeginning = (_: string) => false,
): string {
  const quoted = words.map(
    word => `"${word.replaceAll('"', '""').replaceAll('\u0000', '')}"${isBeginning(word) ? '*' : ''}`,
  )
  return quoted.join(` ${between} `) || '""'
}

/** The marks of Latin, Greek and Cyrillic letters; those of other scripts are letters of their own. */
const ACCENTS = /[\u0300-\u036f]/g

/** A lone character of a script that is cut into pairs: it is looked for as the beginning of one. */
export function isLone(word: string): boolean {
  return UNSPACED.test(word) && [...word].length === 1
}

function addPairs(run: string, found: string[], ends: boolean): void {
  let before = ''
  let alone = true
  for (const character of run) {
    if (before !== '') {
      found.push(before + character)
      alone = false
    }
    before = character
  }
  if (alone || ends) found.push(before)
}

function addWord(run: string, found: string[]): void {
  const [first, ...rest] = run.split(/['’]/)
  const last = rest.at(-1)
  if (last === undefined) found.push(fold(first!))
  else if (rest.length > 1) for (const part of [first!, ...rest]) found.push(fold(part))
  else if (last === 's')
    found.push(fold(first!)) // the customer's
  else if (CONTRACTED.has(last))
    found.push(run.replaceAll(/['’]/g, '').slice(0, LONGEST_WORD)) // don't
  else found.push(fold(first!), fold(last)) // l'adresse
}

/**
 * English endings, so that opening hours are found by "open" and shipping by "shipped": plurals, -ing, -ed, and a last -e. Not: address,
 * status, this, need, king. A stem need not be a word; it must only be the same for the index and for the question.
 */
function fold(written: string): string {
  const word = written.normalize('NFD').replace(ACCENTS, '').normalize('NFC')
  if (word.length > LONGEST_WORD) return word.slice(0, LONGEST_WORD)
  if (word.length < 4 || !/^[a-z]+$/.test(word)) return word
  const one = singular(word)
  const stem = one.replace(/(?<=[a-z]{3}[a-z])(?:ing|ed)$/, '')
  const short = stem === one ? one : stem.replace(/([b-df-hj-km-np-rtv-xz])\1$/, '$1')
  return short.length > 4 ? short.replace(/e$/, '') : short
}

/** deliveries, boxes, refunds */
function singular(word: string): string {
  if (!/s$/.test(word) || /(?:ss|us|is)$/.test(word)) return word
  if (word.endsWith('ies')) return word.length > 4 ? `${word.slice(0, -3)}y` : word.slice(0, -1)
  return /(?:ss|x|z|ch|sh)es$/.test(word) ? word.slice(0, -2) : word.slice(0, -1)
}

/** Scripts that do not part their words: Han, kana, Hangul (particles cling to the noun), Thai and its neighbours. */
const SCRIPTS =
  '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}\\u30fc\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}'
const LETTER = `[[\\p{L}\\p{N}\\p{M}]--[${SCRIPTS}]]`
const RUNS = new RegExp(`[${SCRIPTS}]+|${LETTER}+(?:['’]${LETTER}+)*`, 'gv')
const UNSPACED = new RegExp(`^[${SCRIPTS}]`, 'v')

const CONTRACTED = new Set(['t', 're', 've', 'll', 'm', 'd'])

/** Phrases that ask or greet; longer ones first, since the first alternative that fits is taken. */
const CJK_PHRASES =
  /為什麼|为什么|怎麼樣|怎么样|怎麼辦|怎么办|有沒有|有没有|能不能|可不可以|是不是|想請問|想请问|請問|请问|怎麼|怎么|怎樣|怎样|什麼|什么|甚麼|如何|可以|能否|是否|我們|我们|你們|你们|您好|你好|大家好|早安|午安|晚安|哈囉|謝謝|谢谢|感謝|感谢|麻煩|麻烦|這個|这个|那個|那个|哪裡|哪里|多少|幾個|几个|沒有|没有|需要|想要|已經|已经|因為|因为|所以|但是|如果|或者|還是|还是/g

const CJK_PARTICLES =
  /[的了嗎吗呢吧啊呀喔哦嘛我你您他她它要想是在有和與与及把被給给讓让這这那哪很也都就才又再]|(?<![申邀])[請请]/g

const STOP_WORDS = new Set(
  `a an the and or but if then else of to in on at by for from with without about as into over under is are was were be been being am
  do does did doing done have has had having can could will would shall should may might must cant cannot dont doesnt didnt wont wouldnt
  isnt arent wasnt werent hasnt havent hadnt couldnt shouldnt im ive id ill youre youve youll were weve well theyre hes shes its
  i me my mine we us our ours you your yours he him his she her hers it they them their theirs this that these those there here
  what which who whom whose when where why how not no nor so than too very just also only some any all each every both such
  please thank thanks hi hello hey dear greetings good morning afternoon evening regards best kind sincerely cheers
  want like need know tell get got let able ok okay yes`
    .split(/\s+/)
    .flatMap(word => words(word)),
)
