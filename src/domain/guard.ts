/**
 * The last look at what a language model wrote, before it may become mail. What is found here is no answer: nothing is sent, and a person
 * is told why. It cannot judge what is true; it knows what has no place in a mail whatever the question was.
 */
export interface Guarded {
  /** The marker of this request's fences. */
  nonce: string
  /** What the team told the model beforehand. */
  instructions: string
  /** All that the model was told by us, instructions and rules. */
  system: string
  /** What it may say word for word: the articles it was given. */
  open: string[]
  /** Known secrets, such as the key to the model. */
  secrets: string[]
}

export type Blocked = keyof typeof BLOCKED

/** Why nothing was sent, as a person reads it. */
export const BLOCKED = {
  empty: 'The model wrote nothing.',
  refused: 'The model refused to answer.',
  too_long: 'The model wrote more than fits a mail.',
  tool_trace: 'The model wrote a call of a tool instead of an answer.',
  fence: 'The model repeated the marks that keep mail and instructions apart.',
  confidential: 'The model repeated what it was told in confidence.',
  secret: 'The model wrote something that looks like a key or a password.',
} as const

const MOST_CHARS = 20_000
/**
 * So many letters of the instructions word for word are no chance. Shorter pieces may be facts that a team put there to be said, though
 * articles are the place for them.
 */
const VERBATIM_INSTRUCTIONS = 240
const VERBATIM_RULES = 100
/** Whole instructions this short are worth nothing to anybody. */
const TRIFLE = 80

export function whyBlocked(text: string, about: Guarded): Blocked | null {
  const said = text.trim()
  if (said === '') return 'empty'
  if (said.length > MOST_CHARS) return 'too_long'
  if (said.includes(about.nonce) || /<<<\s*[0-9a-f]{16,}/i.test(said)) return 'fence'
  if (TOOL_TRACES.some(pattern => pattern.test(said)) || isCall(said)) return 'tool_trace'
  if (about.secrets.some(secret => secret.length >= 8 && said.includes(secret))) return 'secret'
  if (SECRETS.some(pattern => pattern.test(said))) return 'secret'
  const open = about.open.map(bare).join('\n')
  if (repeats(said, about.instructions, VERBATIM_INSTRUCTIONS, open)) return 'confidential'
  if (repeats(said, about.system, VERBATIM_RULES, `${open}\n${bare(about.instructions)}`))
    return 'confidential'
  if (said.length < 500 && REFUSALS.some(pattern => pattern.test(said))) return 'refused'
  return null
}

/** Marks of chat templates and tools that leak where a server and its model do not fit. */
const TOOL_TRACES = [
  /<\/?(?:tool_calls?|tool_response|tool_result|tool_use|function_calls?|function_results?|function=[\w.-]+|invoke|parameter name)\b/i,
  /<\|[\w▁ ]{2,40}\|>|<｜[^｜]{2,40}｜>/,
  /\[\/?(?:INST|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS)\]|<<\/?SYS>>/,
  /<\/?(?:think|thinking|scratchpad|system)>/i,
  /^(?:assistant|tool)\s+to=[\w.]+/im,
  /```(?:tool_code|tool_call|tool_outputs)\b/i,
]

function isCall(text: string): boolean {
  const json = /^(?:```\w*\s*)?([[{][\s\S]*[\]}])(?:\s*```)?$/.exec(text)?.[1]
  if (json && /"(?:tool_calls?|function_call|arguments|parameters|tool_input)"\s*:/.test(json)) return true
  return /\{\s*"(?:name|function|tool|action)"\s*:\s*"[\w.-]+"\s*,\s*"(?:arguments|parameters|input|action_input|args)"\s*:/.test(
    text,
  )
}

const SECRETS = [
  /\b(?:ed|em)_[0-9a-f]{32}_[\w-]{43}/,
  /\bv1\.(?:site|kek[\w-]*)\.[\w-]{16}\.[\w-]{20,}/,
  /\bsk-[A-Za-z0-9_-]{20,}/,
  /\bAKIA[0-9A-Z]{16}\b/,
  /\bgh[pousr]_[A-Za-z0-9]{36}/,
  /\bgithub_pat_[A-Za-z0-9_]{40,}/,
  /\bxox[abprs]-[A-Za-z0-9-]{20,}/,
  /\bAIza[0-9A-Za-z_-]{35}/,
  /\bsk_live_[0-9A-Za-z]{16,}/,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/,
]

/** What models say when they will not; a shop's own "sorry, we cannot" is none of it. */
const REFUSALS = [
  /^(?:i['’]?m|i am) (?:really )?sorry,? (?:but )?i (?:can(?:['’]t|not)|am (?:not able|unable) to) (?:assist|help|comply|fulfil+|continue|engage|provide (?:that|this))\b/i,
  /^(?:sorry,? (?:but )?)?i (?:can(?:['’]t|not)|won['’]t) (?:assist|help|comply) with (?:that|this)\b/i,
  /\bas an? (?:ai|artificial intelligence)(?: language)? model\b/i,
  /作为(?:一个|一名)?(?:AI|人工智能)(?:语言)?(?:模型|助手)，?我(?:无法|不能)|身為(?:一個|一名)?(?:AI|人工智慧)(?:語言)?(?:模型|助手)，?我(?:無法|不能)/,
  /^(?:很?抱歉|对不起|對不起)[，,]\s*我(?:无法|無法|不能)(?:协助|協助|帮助|幫助|提供|满足|滿足)(?:您|你)?(?:的|这个|這個|此)(?:请求|請求|要求)/,
]

/** Whether a piece of `kept` so many letters long stands in `text` word for word and is not known from elsewhere. */
function repeats(text: string, kept: string, letters: number, known: string): boolean {
  const [said, secret] = [bare(text), bare(kept)]
  // One character of these scripts says as much as three letters.
  const size = (many: number) => (/[\p{Script=Han}\p{Script=Hangul}]/u.test(secret) ? many / 3 : many)
  const length = Math.min(Math.floor(size(letters)), secret.length)
  if (length < size(TRIFLE)) return false
  const step = Math.max(1, Math.floor(length / 4))
  // Overlapping pieces: what is repeated one and a quarter times as long holds one of them whole.
  const starts = Array.from({ length: Math.floor((secret.length - length) / step) + 1 }, (_, n) => n * step)
  return [...starts, secret.length - length].some(start => {
    const piece = secret.slice(start, start + length)
    return said.includes(piece) && !known.includes(piece)
  })
}

/** Its letters and digits alone, as they are compared. */
export function bare(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '')
}
