/** The list of assistants, by `assistants.kind`. A new one is one file and one line. */
import type { AssistantRow } from '../store/assistants.ts'
import type { Assistant } from './assistant.ts'
import { knowledge } from './knowledge.ts'
import { openaiCompatible } from './openai-compatible.ts'
import { workersAi } from './workers-ai.ts'

export const ASSISTANT_KINDS = ['knowledge', 'openai-compatible', 'workers-ai'] as const

export const assistantKinds: Record<string, (row: AssistantRow, env: Env) => Assistant> = {
  knowledge,
  'openai-compatible': openaiCompatible,
  'workers-ai': workersAi,
}
