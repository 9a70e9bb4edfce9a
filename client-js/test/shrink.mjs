// Makes Chromium's screenshots small: PNGs of 256 colours, which is what they hold but for the edges of letters.
//   node test/shrink.mjs FILE...
import { readFile, writeFile } from 'node:fs/promises'
import { crc32, deflateSync, inflateSync } from 'node:zlib'

for (const path of process.argv.slice(2)) await writeFile(path, shrunk(await readFile(path)))

function shrunk(png) {
  const chunks = read(png)
  const header = chunks.find(({ type }) => type === 'IHDR').data
  const [width, height, depth, colors, , , interlaced] = [header.readUInt32BE(0), header.readUInt32BE(4), ...header.subarray(8)]
  if (depth !== 8 || ![2, 6].includes(colors) || interlaced) return png // small already, or not of Chromium
  const channels = colors === 2 ? 3 : 4
  const pixels = unfiltered(inflateSync(Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data))), width, height, channels)

  const count = new Map()
  const colorAt = (i) => pixels.readUIntBE(i * channels, 3)
  for (let i = 0; i < width * height; i++) count.set(colorAt(i), (count.get(colorAt(i)) ?? 0) + 1)
  const palette = [...count].sort(([, a], [, b]) => b - a).slice(0, 256).map(([color]) => color)
  const places = new Map([...count.keys()].map((color) => [color, nearest(color, palette)]))

  const rows = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = places.get(colorAt(y * width + x))
  header.set([8, 3], 8)
  const table = Buffer.alloc(palette.length * 3)
  palette.forEach((color, i) => table.writeUIntBE(color, i * 3, 3))
  return Buffer.concat([png.subarray(0, 8), chunk('IHDR', header), chunk('PLTE', table), chunk('IDAT', deflateSync(rows, { level: 9, memLevel: 9 })), chunk('IEND', Buffer.alloc(0))])
}

function read(png) {
  const chunks = []
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at)
    chunks.push({ type: png.toString('latin1', at + 4, at + 8), data: Buffer.from(png.subarray(at + 8, at + 8 + length)) })
    at += length + 12
  }
  return chunks
}

/** PNG (third edition), chapter 9. */
function unfiltered(data, width, height, channels) {
  const stride = width * channels
  const pixels = Buffer.alloc(stride * height)
  for (let y = 0; y < height; y++) {
    const filter = data[y * (stride + 1)]
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x
      const left = x < channels ? 0 : pixels[at - channels]
      const up = y ? pixels[at - stride] : 0
      const corner = y && x >= channels ? pixels[at - stride - channels] : 0
      pixels[at] = data[y * (stride + 1) + 1 + x] + [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter]
    }
  }
  return pixels
}

function paeth(left, up, corner) {
  const guess = left + up - corner
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)]
  return a <= b && a <= c ? left : b <= c ? up : corner
}

function nearest(color, palette) {
  let best = 0, least = Infinity
  palette.forEach((other, i) => {
    const distance = [16, 8, 0].reduce((sum, shift) => sum + (((color >> shift) & 255) - ((other >> shift) & 255)) ** 2, 0)
    if (distance < least) [best, least] = [i, distance]
  })
  return best
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const whole = Buffer.alloc(body.length + 8)
  whole.writeUInt32BE(data.length, 0)
  body.copy(whole, 4)
  whole.writeUInt32BE(crc32(body), body.length + 4)
  return whole
}
