import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { clock, money } from '../hosted/words.ts'

// What the gateway's own tests say of every currency. Without the file this fails, on purpose.
const decimals: Record<string, number> = JSON.parse(String(readFileSync(new URL('../../order/testdata/decimals.json', import.meta.url))))

describe('the hosted page writes', () => {
  it('every currency with the decimals by which the gateway counts', () => {
    assert.ok(Object.keys(decimals).length > 150)
    for (const [currency, digits] of Object.entries(decimals)) {
      for (const lang of ['en', 'zh-CN']) {
        for (const [minor, plain] of [[123_456_789, '123456789'], [120_000, '120000']] as const) {
          const shown = money(minor, currency, lang)
          assert.equal(shown.replace(/\D/g, ''), plain, `${currency}: ${shown}`)
          assert.equal(/\.(\d+)$/.exec(shown)?.[1]?.length ?? 0, digits, `${currency}: ${shown}`)
        }
      }
    }
  })

  it('amounts as the gateway itself does where there is no JavaScript', () => {
    const amounts: { lang: string; currency: string; amount: number; shown: string }[] =
      JSON.parse(String(readFileSync(new URL('../../cmd/paybell/testdata/hosted_money.json', import.meta.url))))
    for (const { lang, currency, amount, shown } of amounts) assert.equal(money(amount, currency, lang), shown, lang)
  })

  it('the time that is left', () => {
    const written = (seconds: number) => [clock(seconds, 'en'), clock(seconds, 'zh-CN')]
    assert.deepEqual(written(59), ['0:59', '0:59'])
    assert.deepEqual(written(3599), ['59:59', '59:59'])
    assert.deepEqual(written(86_399), ['23:59:59', '23:59:59'])
    assert.deepEqual(written(86_400), ['1 day 0 hours', '1天 0小时'])
    assert.deepEqual(written(3 * 86_400 + 3600), ['3 days 1 hour', '3天 1小时'])
  })
})
