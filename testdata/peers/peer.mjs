// What every peer here shares: its orders come as JSON lines on stdin, never in argv, where any process could read
// them; its answers are JSON lines on stdout; stderr is for people. When stdin ends, the peer ends, so that a test that
// dies leaves none behind.
import { createInterface } from 'node:readline';

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// order is the next line of stdin; undefined once stdin has ended.
export async function order() {
  const { value, done } = await input.next();
  return done ? undefined : JSON.parse(value);
}

export const say = answer => process.stdout.write(JSON.stringify(answer) + '\n');

export async function untilStdinEnds() {
  while (await order() !== undefined);
  process.exit(0);
}
