import { describe, expect, it } from 'vitest'
import {
  decideReply,
  type Mode,
  REPLY_REASONS,
  type ReplyDecision,
  type ReplyFacts,
  type ReplyReason,
  type ReplyRules,
} from '../../src/domain/reply.ts'
import type { MailClass } from '../../src/domain/verdict.ts'

const DAY = 24 * 60 * 60_000
const yesNo = [false, true]
const modes: Mode[] = ['auto', 'draft', 'off']
const owners = ['assistant', 'person'] as const
const classes: MailClass[] = ['person', 'automatic', 'bounce', 'report', 'list', 'own', 'unreadable']
const waits = [0, DAY, DAY + 1]

interface Case {
  facts: ReplyFacts
  rules: ReplyRules
}

/** An ordinary mail to an inbox that answers by itself. */
function ordinary(facts: Partial<ReplyFacts> = {}, rules: Partial<ReplyRules> = {}): Case {
  return {
    facts: {
      verdict: { class: 'person', mayDraft: true, maySend: true },
      owner: 'assistant',
      autoReplyEnabled: true,
      old: false,
      waitedMs: 0,
      nothingSaid: false,
      ...facts,
    },
    rules: { mode: 'auto', hasAssistant: true, draftAfterMs: DAY, ...rules },
  }
}

function* everyCase(): Generator<Case> {
  for (const kind of classes)
    for (const mayDraft of yesNo)
      for (const maySend of yesNo)
        for (const nothingSaid of yesNo)
          for (const mode of modes)
            for (const hasAssistant of yesNo)
              for (const owner of owners)
                for (const autoReplyEnabled of yesNo)
                  for (const old of yesNo)
                    for (const waitedMs of waits)
                      yield ordinary(
                        {
                          verdict: { class: kind, mayDraft, maySend },
                          nothingSaid,
                          owner,
                          autoReplyEnabled,
                          old,
                          waitedMs,
                        },
                        { mode, hasAssistant },
                      )
}

/** RE1 once more in other words: the first line that is true decides. */
const ORDER: [when: (one: Case) => boolean, what: ReplyDecision['do'], why: ReplyReason][] = [
  [({ facts }) => facts.verdict.mayDraft === false, 'silent', 'not_sendable'],
  [({ facts }) => facts.nothingSaid, 'silent', 'nothing_said'],
  [({ rules }) => rules.mode === 'off', 'silent', 'mode_off'],
  [({ rules }) => rules.hasAssistant === false, 'silent', 'no_assistant'],
  [({ facts }) => facts.owner === 'person', 'silent', 'person_owns'],
  [({ facts }) => facts.autoReplyEnabled === false, 'silent', 'auto_reply_disabled'],
  [({ facts }) => facts.old, 'silent', 'old_mail'],
  [({ facts }) => facts.verdict.maySend === false, 'draft', 'draft_only'],
  [({ facts, rules }) => facts.waitedMs > rules.draftAfterMs, 'draft', 'waited_long'],
  [({ rules }) => rules.mode === 'draft', 'draft', 'mode_draft'],
  [() => true, 'answer', 'answered'],
]

const decide = ({ facts, rules }: Case) => decideReply(facts, rules)

describe('whether a mail is answered', () => {
  it('RE1 in every combination, the first of the ordered reasons decides', () => {
    const told = new Set<string>()
    let cases = 0
    for (const one of everyCase()) {
      const line = ORDER.find(([when]) => when(one))!
      expect(decide(one), JSON.stringify(one)).toEqual({ do: line[1], why: line[2] })
      told.add(line[2])
      cases++
    }
    expect(cases).toBe(7 * 2 ** 7 * 3 * 3)
    // One reason is not decided here: that the assistant was asked and had nothing to say.
    expect([...told, 'assistant_silent'].sort()).toEqual(Object.keys(REPLY_REASONS).sort())
  })

  it('RE2 an answer leaves by itself only where nothing at all speaks against it', () => {
    for (const one of everyCase())
      if (decide(one).do === 'answer')
        expect(one).toMatchObject({
          facts: {
            verdict: { mayDraft: true, maySend: true },
            nothingSaid: false,
            owner: 'assistant',
            autoReplyEnabled: true,
            old: false,
          },
          rules: { mode: 'auto', hasAssistant: true },
        })
  })

  it('I10 an inbox that makes drafts never answers, one that is off is silent', () => {
    for (const one of everyCase()) {
      if (one.rules.mode === 'draft') expect(decide(one).do).not.toBe('answer')
      if (one.rules.mode === 'off') expect(decide(one).do).toBe('silent')
    }
  })

  it('A4 old mail is never answered and makes no draft', () => {
    for (const one of everyCase()) if (one.facts.old) expect(decide(one).do).toBe('silent')
  })

  it('RE3 what waited exactly a day is answered, a millisecond longer makes a draft', () => {
    expect(decide(ordinary({ waitedMs: DAY }))).toEqual({ do: 'answer', why: 'answered' })
    expect(decide(ordinary({ waitedMs: DAY + 1 }))).toEqual({ do: 'draft', why: 'waited_long' })
    expect(decide(ordinary({ waitedMs: 61_000 }, { draftAfterMs: 60_000 }))).toEqual({
      do: 'draft',
      why: 'waited_long',
    })
  })

  it('RE4 every reason has a sentence', () => {
    for (const sentence of Object.values(REPLY_REASONS)) expect(sentence).toMatch(/^[A-Z].*\.$/)
  })
})
