/** A connection test as the API tells it: both legs, each with its code and a sentence in the language of whoever asks. */
import { z } from '@hono/zod-openapi'
import { connected, NO_WAY_OUT, sentenceOf, type Tested } from '../domain/connection.ts'
import { problem } from '../domain/problem.ts'
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
    smtp: LegSchema.openapi({
      description: 'Well too where mail leaves through the `send_email` binding, if there is one.',
    }),
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

/**
 * Tries these legs. A connection without an SMTP server sends by the deployment's binding, which is there or not.
 *
 * @param asked the others pass untried
 */
export async function checkLegs(
  env: Env,
  connection: Connection,
  asked: readonly ('imap' | 'smtp')[] = ['imap', 'smtp'],
): Promise<CheckResult> {
  const { imap, smtp } = accountsOf(connection)
  const result = await checkConnection(env, {
    imap: asked.includes('imap') ? imap : null,
    smtp: asked.includes('smtp') ? smtp : null,
  })
  if (connection.smtp || env.EMAIL || !asked.includes('smtp')) return result
  return { ...result, ok: false, smtp: { ok: false, problem: problem('unavailable', NO_WAY_OUT) } }
}

/** @param language an Accept-Language header, if there is one */
export async function tried(env: Env, connection: Connection, language: string | undefined) {
  const result = await checkLegs(env, connection)
  const leg = ({ ok, problem }: LegResult) => ({
    ok,
    code: problem?.code ?? null,
    message: problem && sentenceOf(problem, language),
  })
  return {
    ok: result.ok,
    message: result.ok ? connected(testedOf(connection), language) : whatFailed(result, language),
    imap: leg(result.imap),
    smtp: leg(result.smtp),
  }
}

function testedOf({ imap, smtp }: Connection): Tested {
  if (imap && smtp) return 'both'
  return imap ? 'imap' : smtp ? 'smtp' : 'none'
}

function whatFailed(result: CheckResult, language: string | undefined): string {
  return (['imap', 'smtp'] as const)
    .flatMap(kind => {
      const why = result[kind].problem
      return why ? `${kind.toUpperCase()}: ${sentenceOf(why, language)}` : []
    })
    .join(' ')
}
