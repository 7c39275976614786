/** The front door: requests, the clock, mail by Email Routing, and the objects. Nothing else. */
import { app } from './app.ts'
import { tick } from './clock.ts'
import { takeRoutedMail } from './mailbox/routing.ts'

export { Conversation } from './conversation/conversation.ts'
export { Endpoint } from './endpoint/endpoint.ts'
export { Limits } from './limits/limits.ts'
export { ImapBridge } from './mail/imap-bridge.ts'
export { Mailbox } from './mailbox/mailbox.ts'
export { Site } from './site/site.ts'

export default {
  fetch: app.fetch,
  scheduled: (controller, env, ctx) => ctx.waitUntil(tick(controller.cron, controller.scheduledTime, env)),
  email: takeRoutedMail,
} satisfies ExportedHandler<Env>
