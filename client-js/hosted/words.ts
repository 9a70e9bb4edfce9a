/** How the hosted page writes amounts and times. Without JavaScript the gateway writes them itself, in the same way. */

/** The decimals of ISO 4217, as the gateway counts them. A browser's own are fewer where nobody uses coins:
 *  of rupiah it would show a hundred times too many. */
const decimals: [number, string][] = [
  [0, 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'], [3, 'BHD IQD JOD KWD LYD OMR TND'], [4, 'CLF UYW'],
]

/** An amount in minor units, as a reader of the language writes it, with all decimals of its currency. */
export function money(minor: number, currency: string, lang: string): string {
  const digits = decimals.find(([, currencies]) => currencies.includes(currency))?.[0] ?? 2
  return new Intl.NumberFormat(lang, {
    style: 'currency', currency, minimumFractionDigits: digits, maximumFractionDigits: digits,
  }).format(minor / 10 ** digits)
}

/** How small an amount is written, so that it stays on one line of a small phone. */
export const length = (amount: string) => (amount.length > 16 ? 'longer' : amount.length > 11 ? 'long' : '')

/** A time that is left: 59:32, 1:59:32, and from a day on "3 days 4 hours". */
export function clock(seconds: number, lang: string): string {
  const two = (n: number) => String(n).padStart(2, '0')
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  if (hours >= 24) return `${counted(Math.floor(hours / 24), 'day', lang)} ${counted(hours % 24, 'hour', lang)}`
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}

const counted = (n: number, unit: string, lang: string) => new Intl.NumberFormat(lang, { style: 'unit', unit, unitDisplay: 'long' }).format(n)
