/** A connection test as the API tells it: both legs, each with its code and a sentence in the language of whoever asks. */
import { z } from '@hono/zod-openapi'
import { connected, sentenceOf } from '../domain/connection.ts'
import { type CheckResult, type ConnectionSettings, checkConnection, type LegResult } from '../mail/check.ts'
import type { Connection } from '../store/connection-tests.ts'
import type { Server } from '../store/inboxes.ts'

const LegSchema = z.object({
  ok: z.boolean(),
  code: z.string().nullable().openapi({ description: 'Null where it is well.', example: 'credentials' }),
  message: z
    .string()
    .nullable()
    .openapi({ description: 'The cause in one sentence; null where it is well.' }),
})

export const ConnectionTestSchema = z
  .object({
    ok: z.boolean(),
    message: z.string().openapi({
      description:
        'In the language of `Accept-Language`: English or zh-TW, as are the sentences of the legs.',
    }),
    imap: LegSchema.openapi({ description: 'Well too where it is not used.' }),
    smtp: LegSchema.openapi({ description: 'Well too where it is not used.' }),
    testId: z.string().nullable().openapi({
      description:
        'Good once, for 15 minutes, for these settings; null where none is needed or a leg failed.',
    }),
    expiresAt: z.string().nullable(),
  })
  .openapi('ConnectionTest')

/** The passwords leave here for the check, and for nothing else. */
export function accountsOf(connection: Connection): ConnectionSettings {
  const account = (server: Server | null, password: string | null) =>
    server && { ...server, password: password ?? '' }
  return {
    imap: account(connection.imap, connection.imapPassword),
    smtp: account(connection.smtp, connection.smtpPassword),
  }
}

/** @param language an Accept-Language header, if there is one */
export async function tried(env: Env, connection: Connection, language: string | undefined) {
  const result = await checkConnection(env, accountsOf(connection))
  const leg = ({ ok, problem }: LegResult) => ({
    ok,
    code: problem?.code ?? null,
    message: problem && sentenceOf(problem, language),
  })
  return {
    ok: result.ok,
    message: result.ok ? connected(language) : sentenceOf(firstProblem(result), language),
    imap: leg(result.imap),
    smtp: leg(result.smtp),
  }
}

function firstProblem(result: CheckResult) {
  return (result.imap.problem ?? result.smtp.problem)!
}
