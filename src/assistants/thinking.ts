/**
 * What every assistant with a language model does, whichever model it is: a wish for a person and a mere thank-you need none; else the
 * articles about the question are looked up as `knowledge` does, the model is asked once, and its answer is read and looked over before
 * it is one (domain/prompt.ts, domain/guard.ts). The model gets no tools and hands back a text, so no mail can make it do anything else.
 */
import { APICallError, generateText, type LanguageModel, RetryError, streamText } from 'ai'
import { BLOCKED, type Guarded, whyBlocked } from '../domain/guard.ts'
import { languageOf } from '../domain/language.ts'
import { onlyThanks, wantsPerson } from '../domain/person.ts'
import { type Problem, problem } from '../domain/problem.ts'
import { answerLanguage, promptFor, readAnswer } from '../domain/prompt.ts'
import { sayable } from '../domain/streaming.ts'
import { bareSubject } from '../domain/thread.ts'
import { questionWords } from '../domain/words.ts'
import { log } from '../log.ts'
import { type Article, articlesAbout } from '../store/articles.ts'
import { type AssistantRow, settingsOf } from '../store/assistants.ts'
import { db } from '../store/db.ts'
import { hex } from '../store/ids.ts'
import type { Answer, Question } from './assistant.ts'
import { phrasesFor } from './phrases.ts'

// Its warnings are prose on the console; what there is to say of a failure is said by `log`.
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })

/** Articles that a model is shown. */
const SHOWN = 8
const DEADLINE_MS = 60_000
const RETRIES = 1
/** Who waits reads on so often; more is not read faster. */
const WRITTEN_EVERY_MS = 100

/** Thrown where the model is away for now; it says nothing of what was asked. */
export class ModelAway extends Error {
  override name = 'ModelAway'
}

/** A model ready to be asked, or what is wrong with the settings of the assistant. */
export type Readied =
  | { model: LanguageModel; secrets: string[]; maxOutputTokens?: number }
  | { problem: Problem }

/** @throws ModelAway where asking again later may help. */
export async function think(
  question: Question,
  row: AssistantRow,
  env: Env,
  ready: () => Promise<Readied>,
): Promise<Answer> {
  const said = question.said.join('\n')
  const none = { citations: [], language: question.language }
  const say = phrasesFor(question)
  if (wantsPerson(said)) return { ...none, text: say.text(say.person), sure: true, wantsPerson: true }
  if (onlyThanks(said)) return { ...none, text: '', sure: true }
  const silent = (why: Problem): Answer => ({ ...none, text: '', sure: false, problem: why })
  const readied = await ready()
  if ('problem' in readied) return silent(readied.problem)
  const { instructions, tone, languages } = settingsOf(row)
  const articles = await articlesOn(question, row, env)
  const language = answerLanguage(languages, question.language)
  const nonce = hex(crypto.getRandomValues(new Uint8Array(12)))
  const prompt = promptFor({ ...question, instructions, tone, language, articles }, nonce)
  const guarded: Guarded = {
    nonce,
    instructions,
    system: prompt.system,
    open: articles.map(article => `${article.title}\n${article.body}`),
    secrets: readied.secrets,
  }
  const { written } = question
  let raw: Raw
  try {
    raw = await (written
      ? askAloud(readied, prompt, text => written(sayable(text, guarded)))
      : ask(readied, prompt))
  } catch (error) {
    const why = permanent(error)
    log('model_failed', {
      assistant: row.id,
      status: statusOf(error),
      code: why?.code ?? 'model_unavailable',
    })
    if (why === null) throw new ModelAway('the model did not answer')
    return silent(why)
  }
  const answer = readAnswer(raw.text, articles.length)
  const blocked = raw.refused ? 'refused' : raw.cut ? 'too_long' : whyBlocked(answer.text, guarded)
  if (blocked) {
    log('answer_blocked', { assistant: row.id, why: blocked })
    return silent(problem('answer_blocked', BLOCKED[blocked]))
  }
  const used = answer.used.map(n => articles[n]!)
  const guessed = languageOf(answer.text)
  return {
    text: answer.text,
    citations: used.map(({ id, title, url }) => ({ id, title, url })),
    language: guessed === 'und' ? language : guessed,
    sure: used.length > 0 && !answer.handoff,
    ...(answer.handoff ? { wantsPerson: true } : {}),
  }
}

async function articlesOn(question: Question, row: AssistantRow, env: Env): Promise<Article[]> {
  const asked = questionWords(`${bareSubject(question.subject)}\n${question.said.join('\n')}`)
  // "And how long does that take?" is about what was said before.
  const before = question.history.findLast(one => one.from === 'contact')?.text ?? ''
  const about = asked.length < 4 ? [...asked, ...questionWords(before)] : asked
  return articlesAbout(
    db(env.DB),
    env.SEARCH,
    row.siteId,
    row.id,
    about.slice(0, 64),
    SHOWN,
    question.contactLabels,
  )
}

type Ready = Extract<Readied, { model: LanguageModel }>
type Prompt = { system: string; user: string }
interface Raw {
  text: string
  refused: boolean
  cut: boolean
}

async function ask(ready: Ready, prompt: Prompt): Promise<Raw> {
  const { text, finishReason } = await generateText(callOf(ready, prompt))
  return rawOf(text, finishReason)
}

/** The same, told as it is written. */
async function askAloud(ready: Ready, prompt: Prompt, tell: (text: string) => void): Promise<Raw> {
  // What goes wrong comes out of the stream; without this the library prints it as well.
  const stream = streamText({ ...callOf(ready, prompt), onError: () => {} })
  let text = ''
  let toldAt = Date.now()
  for await (const part of stream.fullStream) {
    if (part.type === 'error') {
      if (text === '' && isUnreadable(part.error)) break
      throw part.error
    }
    if (part.type !== 'text-delta') continue
    text += part.text
    if (Date.now() - toldAt < WRITTEN_EVERY_MS) continue
    toldAt = Date.now()
    tell(text)
  }
  // A server that knows no streams answers as if it had not been asked for one.
  return text === '' ? ask(ready, prompt) : rawOf(text, await stream.finishReason)
}

/** It answered, but with nothing of a stream. */
function isUnreadable(error: unknown): boolean {
  const status = statusOf(error)
  return status === null || status < 300
}

function callOf({ model, maxOutputTokens }: Ready, prompt: Prompt) {
  return {
    model,
    instructions: prompt.system,
    prompt: prompt.user,
    maxRetries: RETRIES,
    abortSignal: AbortSignal.timeout(DEADLINE_MS),
    // Left to the server where it need not be said: some models refuse the parameter.
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
  }
}

function rawOf(text: string, finishReason: string): Raw {
  return { text, refused: finishReason === 'content-filter', cut: finishReason === 'length' }
}

function cause(error: unknown): unknown {
  return RetryError.isInstance(error) ? error.lastError : error
}

function statusOf(error: unknown): number | null {
  const found = cause(error)
  return APICallError.isInstance(found) ? (found.statusCode ?? null) : null
}

/** What asking again does not mend; null for everything that passes. */
function permanent(error: unknown): Problem | null {
  const found = cause(error)
  const status = statusOf(error)
  if (status === 401 || status === 403) return problem('model_key_refused')
  if (status === 404) return problem('model_missing')
  if (status === 402) return problem('model_refused', 'The account at the model’s server has no credit left.')
  if (status !== null && status >= 300 && status < 400)
    return problem('model_refused', 'The model’s server points to another address. Enter that one.')
  // Used up is not "too many at once": no waiting helps until somebody pays.
  if (status === 429 && APICallError.isInstance(found) && /insufficient_quota/.test(found.responseBody ?? ''))
    return problem('model_refused', 'The account at the model’s server has no credit left.')
  if (status !== null && status >= 400 && status < 500 && ![408, 409, 425, 429].includes(status))
    return problem('model_refused')
  const name = found instanceof Error ? found.name : ''
  const unreadable =
    (status !== null && status < 300) || /JSONParse|TypeValidation|InvalidResponseData|NoContent/.test(name)
  return unreadable
    ? problem(
        'model_refused',
        'What answers at the model’s address does not speak the Chat Completions protocol.',
      )
    : null
}
