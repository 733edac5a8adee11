// JSON, maps, buffers outside of the engine's own heap, zlib, hashes and worker threads; the argument scales the work.
'use strict';
const crypto = require('crypto');
const zlib = require('zlib');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

function buffers(rounds, seed) {
  const kept = new Map();
  const hash = crypto.createHash('sha256');
  let state = seed;
  for (let i = 0; i < rounds; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const buffer = Buffer.alloc(100 + ((state >>> 8) % 60000), state & 255);
    kept.set((state >>> 16) % 500, buffer);
    hash.update(buffer.subarray(0, 64));
  }
  for (const key of [...kept.keys()].sort((a, b) => a - b)) hash.update(kept.get(key));
  return hash.digest('hex');
}

function main(scale) {
  const rows = [];
  for (let i = 0; i < 20000 * scale; i++) rows.push({ id: i, name: `row ${i % 997}`, tags: ['a', 'b', `t${i % 31}`] });
  const text = JSON.stringify(rows);
  console.log('json', text.length, JSON.parse(text).length);

  const packed = zlib.deflateSync(text, { level: 6 });
  console.log('zlib', crypto.createHash('sha256').update(packed).digest('hex'), zlib.inflateSync(packed).length);
  const gzipped = zlib.gzipSync(text.slice(0, 100000));
  console.log('gzip', zlib.gunzipSync(gzipped).toString() === text.slice(0, 100000));

  console.log('buffers', buffers(5000 * scale, 1));
  const counts = new Map();
  for (const row of rows) counts.set(row.name, (counts.get(row.name) || 0) + 1);
  console.log('names', counts.size, text.match(/row \d+7"/g).length);

  const results = [];
  for (let i = 0; i < 4; i++) {
    const worker = new Worker(__filename, { workerData: { rounds: 1500 * scale, seed: i + 2 } });
    worker.on('message', (digest) => {
      results[i] = digest;
    });
    worker.on('exit', () => {
      if (results.filter(Boolean).length === 4 && !results.done) {
        results.done = true;
        console.log('workers', results.join(' '));
      }
    });
  }
}

if (isMainThread) main(Number(process.argv[2] || 1));
else parentPort.postMessage(buffers(workerData.rounds, workerData.seed));
