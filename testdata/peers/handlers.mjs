// What client.mjs answers to a server's requests, and what it notes of its notifications.
import { setTimeout as sleep } from 'node:timers/promises';

const think = 150; // ms for an answer, so that requests are often open when the server is exchanged
export const faults = [];
const noted = { updated: 0, longest: 0, asked: 0, changed: {}, faults };
let lastUpdate;

export function answerRequests(client) {
  client.setRequestHandler('sampling/createMessage', async ({ params }) => {
    noted.asked++;
    await sleep(think);
    const { content } = params.messages[0];
    const text = [content].flat()[0].text;
    return { model: 'peer', role: 'assistant', content: { type: 'text', text: `sampled: ${text}` } };
  });
  client.setRequestHandler('elicitation/create', async () => {
    const name = `person ${++noted.asked};`;
    await sleep(think);
    return { action: 'accept', content: { name, check: true } };
  });
  client.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///peer', name: 'peer' }] }));
}

function noteUpdate() {
  const now = Date.now();
  if (lastUpdate) noted.longest = Math.max(noted.longest, now - lastUpdate);
  lastUpdate = now;
  noted.updated++;
}

// listen notes notifications, and each fault: an answer to nothing is one.
export function listen(client) {
  client.onerror = e => /progress notification for an unknown token/.test(e) || faults.push(String(e)); // see tap.mjs
  client.setNotificationHandler('notifications/resources/updated', noteUpdate);
  for (const kind of ['tools', 'prompts', 'resources']) {
    client.setNotificationHandler(`notifications/${kind}/list_changed`, () => {
      noted.changed[kind] = (noted.changed[kind] ?? 0) + 1;
    });
  }
}

// heard gives {updated: how often a resource was, longest: ms between two updates, asked: how often the server asked for
// something, changed: {tools: how often, ...}, faults}.
export function heard() {
  if (lastUpdate) noted.longest = Math.max(noted.longest, Date.now() - lastUpdate);
  return noted;
}
