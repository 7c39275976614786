import { afterAll } from 'vitest'
import { type Broken, smtpContract } from './smtp.ts'
import { certificates } from './smtp-servers.ts'

const shop = certificates()
afterAll(() => shop.remove())

smtpContract('ours', shop)

/** worker-mailer 1.2.1. */
const BROKEN: Broken[] = [
  {
    rule: /^IX9 a server that says the password back/,
    happens: 'an Error with the reply in its text, and the password in the reply',
    seen: /"kind":"error"/,
  },
  {
    rule: /^H11 the server hangs up after DATA/,
    happens: 'an endless loop, or an Error where the reset is noticed while the mail is being written',
    seen: /endless loop|"kind":"error".*connection lost/,
  },
  {
    rule: /^H11 the server hangs up (before|after|at) |^H1 the link/,
    happens:
      'an endless loop: the end of the stream is read for ever, and nobody else in the isolate is answered',
    seen: /endless loop/,
  },
  {
    rule: /^H10 STARTTLS wanted/,
    happens: 'password and mail go out in the clear',
    seen: /went on in the clear: .*AUTH PLAIN.*MAIL FROM/,
  },
  {
    rule: /^H10 a certificate/,
    happens: 'refused, but as an internal error or as an unreachable host',
    seen: /"kind":"error"/,
  },
  {
    rule: /^H11 the server (falls silent|hangs up in the middle)|^H11 nobody|^H1 an answer/,
    happens: 'ends in time, but as an Error that does not say whether the mail may have left',
    seen: /"kind":"error"/,
  },
  {
    rule: /^H2 |^H3 5xx|^H12 \d/,
    happens: 'an Error with the reply in its text; what it means is left to the reader',
    seen: /endless loop|"kind":"error".*[45]\d\d /,
  },
  {
    rule: /^H3 what the server says/,
    happens: 'the reply in full, line ends included, together with our command',
    seen: /not quoted: .*RCPT TO/,
  },
  {
    rule: /^H12 a password outside ASCII/,
    happens: 'the password is sent as Latin-1',
    seen: /not sent: .*535/,
  },
  {
    rule: /^H3 one recipient of two/,
    happens: 'one refused recipient stops the mail for all',
    seen: /not sent: .*550/,
  },
  {
    rule: /^H3 larger than/,
    happens: 'SIZE is not read',
    seen: /not failed message_refused: .*"sent"/,
  },
  {
    rule: /^the gate |^H11 the gate/,
    happens: 'there is no moment to withdraw a mail',
    seen: /handed over|"kind":"sent"/,
  },
  {
    rule: /^a yes before|^H3 a no before/,
    happens: 'the mail is sent as one piece with its dot',
    seen: /handed over/,
  },
  {
    rule: /^H11 the server never answers QUIT/,
    happens: 'the goodbye is waited for',
    seen: /waited for the goodbye/,
  },
  {
    rule: /^H9 a line end in an address/,
    happens: 'an address can carry commands',
    seen: /reached the server: .*"RCPT TO:<eve@evil\.example>/,
  },
  {
    rule: /^H13 Bcc/,
    happens: 'Bcc is written into the message',
    seen: /Bcc is written into the message/,
  },
  {
    rule: /^H7 the bytes arrive/,
    happens: 'it takes no finished message, so a second try is another mail',
    seen: /other bytes arrived/,
  },
  {
    rule: /^no bounce/,
    happens: 'NOTIFY=NEVER with every recipient',
    seen: /NOTIFY=NEVER/,
  },
  {
    rule: /^EHLO/,
    happens: 'EHLO 127.0.0.1',
    seen: /EHLO 127\.0\.0\.1/,
  },
  {
    rule: /^MAIL has/,
    happens: '`MAIL FROM: <`',
    seen: /blank: /,
  },
  {
    rule: /^A29 each cause/,
    happens: 'causes are texts of the runtime and of the server',
    seen: /badly named/,
  },
]

smtpContract('worker-mailer', shop, BROKEN)
