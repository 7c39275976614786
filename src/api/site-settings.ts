/** Seed 001, step 2: the site's settings, of which its e-mail channel is the one there is. A password is no part of them. */
import { createRoute, z } from '@hono/zod-openapi'
import { EmailSettings, type InboxRow } from '../store/inboxes.ts'
import { agentNoun, agentRefusals, mustBeOwnSite } from './agent-answers.ts'
import { stateOf } from './inbox-json.ts'
import { SiteEmail, saveSiteEmail, siteInbox } from './site-email.ts'

const ChannelSchema = z
  .object({
    email: z.string(),
    username: z.string().nullable(),
    incomingServer: z.string().nullable(),
    incomingPort: z.int().nullable(),
    outgoingServer: z.string().nullable(),
    outgoingPort: z.int().nullable(),
    tls: z.boolean(),
    aliases: z.array(z.string()),
    hasPassword: z.boolean(),
    inboxId: z.uuid().openapi({ description: 'The same inbox under `/api/v1/inboxes`.' }),
    status: z.enum(['unverified', 'connected', 'auth_required', 'retrying', 'paused']),
    reason: z.string().nullable(),
    lastSyncAt: z.string().nullable(),
  })
  .openapi('EmailChannel')

const SettingsSchema = z
  .object({
    success: z.literal(true),
    data: z.object({ site_id: z.uuid(), channels: z.object({ email: ChannelSchema.nullable() }) }),
  })
  .openapi('SiteSettings')

const params = z.object({ site_id: z.string() })
const answers = {
  200: { description: 'The settings', content: { 'application/json': { schema: SettingsSchema } } },
  ...agentRefusals('SITE_CONFIG_NOT_FOUND'),
}

const show = createRoute({
  method: 'get',
  path: '/{site_id}/settings',
  summary: 'The settings of a site',
  request: { params },
  responses: answers,
})

const change = createRoute({
  method: 'patch',
  path: '/{site_id}/settings',
  summary: 'Change the settings of a site; what is not named stays',
  description:
    'Makes the site’s e-mail inbox where there is none, with its oldest assistant and in draft mode. What is saved was not tested: it is `unverified`, and syncing starts when `POST /api/agents/email/check` passes.',
  request: {
    params,
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z
            .object({ channels: z.object({ email: SiteEmail.optional() }).optional() })
            .openapi('SiteSettingsChange'),
        },
      },
    },
  },
  responses: { ...answers, ...agentRefusals('SITE_CONFIG_NOT_FOUND', 'CONFLICT') },
})

export const siteSettings = agentNoun()
  .openapi(show, async c => {
    mustBeOwnSite(c, c.req.valid('param').site_id)
    const siteId = c.get('siteId')
    return c.json(await settingsJson(c.env, siteId, await siteInbox(c.env, siteId)), 200)
  })
  .openapi(change, async c => {
    mustBeOwnSite(c, c.req.valid('param').site_id)
    const siteId = c.get('siteId')
    const typed = c.req.valid('json').channels?.email
    const row = typed ? await saveSiteEmail(c.env, siteId, typed) : await siteInbox(c.env, siteId)
    return c.json(await settingsJson(c.env, siteId, row), 200)
  })

async function settingsJson(
  env: Env,
  siteId: string,
  row: InboxRow | undefined,
): Promise<z.infer<typeof SettingsSchema>> {
  return {
    success: true,
    data: { site_id: siteId, channels: { email: row ? await channelJson(env, row) : null } },
  }
}

async function channelJson(env: Env, row: InboxRow): Promise<z.infer<typeof ChannelSchema>> {
  const { imap, smtp, aliases } = EmailSettings.parse(JSON.parse(row.settings))
  const health = await env.MAILBOX.getByName(`${row.siteId}/${row.id}`).status()
  const { state, reason } = stateOf(row, health)
  return {
    email: row.address,
    username: (imap ?? smtp)?.user ?? null,
    incomingServer: imap?.host ?? null,
    incomingPort: imap?.port ?? null,
    outgoingServer: smtp?.host ?? null,
    outgoingPort: smtp?.port ?? null,
    tls: (imap?.tls ?? true) && (smtp?.tls ?? true),
    aliases,
    hasPassword: row.imapPassword !== null || row.smtpPassword !== null,
    inboxId: row.id,
    status: state,
    reason,
    lastSyncAt: health?.lastGoodAt ? String(health.lastGoodAt) : null,
  }
}
