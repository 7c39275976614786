/**
 * Cloudflare's own models, by the binding `AI`: no key, paid with the account. `npm run deploy` binds it; locally nothing simulates it,
 * so there it is missing. https://developers.cloudflare.com/workers-ai/
 */
import { createWorkersAI } from 'workers-ai-provider'
import { problem } from '../domain/problem.ts'
import { type AssistantRow, settingsOf } from '../store/assistants.ts'
import type { Assistant } from './assistant.ts'
import { type Readied, think } from './thinking.ts'

/** The platform's own default is 256, which cuts a letter in the middle. */
const MOST_TOKENS = 2048

export function workersAi(row: AssistantRow, env: Env): Assistant {
  return { answer: question => think(question, row, env, async () => ready(row, env)) }
}

function ready(row: AssistantRow, env: Env): Readied {
  const binding = (env as Env & { AI?: Ai }).AI
  if (!binding)
    return {
      problem: problem(
        'model_missing',
        'This copy has no Workers AI: it is there once deployed. Choose another kind of assistant to try it here.',
      ),
    }
  const { model } = settingsOf(row)
  if (!/^@(?:cf|hf)\//.test(model))
    return { problem: problem('model_missing', 'Models of Workers AI have names that begin with @cf/.') }
  return {
    model: createWorkersAI({ binding })(model as Parameters<ReturnType<typeof createWorkersAI>>[0]),
    secrets: [],
    maxOutputTokens: MOST_TOKENS,
  }
}
