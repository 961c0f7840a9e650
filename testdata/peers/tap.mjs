// tap watches the messages that pass between a client and its transport, below the SDK, which hides much: it drops a second
// answer to a request, and the last progress notification when the answer comes in the same piece of a stream.
export function tap(transport, faults) {
  const asked = new Map(); // requests of the client that are open: id to {method, token}
  const asking = new Set(); // ids of requests of the server that are open
  const progress = new Map(); // progress token to the last {progress, total}
  const { onmessage, send } = transport;

  function answered(message) {
    const request = asked.get(message.id);
    if (!request) return faults.push(`an answer to ${message.id}, which is not asked: ${JSON.stringify(message).slice(0, 200)}`);
    asked.delete(message.id);
    const last = progress.get(request.token);
    if (last && 'result' in message && last.progress !== last.total) {
      faults.push(`the answer to ${message.id} came after progress ${last.progress} of ${last.total}`);
    }
    progress.delete(request.token);
  }

  function progressed({ progressToken: token, progress: now, total }) {
    const before = progress.get(token)?.progress ?? 0;
    if (![...asked.values()].some(r => r.token === token)) faults.push(`progress ${now} of ${token}, which is not asked`);
    if (now !== before + 1) faults.push(`progress ${now} of ${token} after ${before}`);
    progress.set(token, { progress: now, total });
  }

  transport.onmessage = (message, extra) => {
    if (message.method === undefined) answered(message);
    else if (message.method === 'notifications/progress') progressed(message.params);
    else if (message.id !== undefined) {
      if (asking.has(message.id)) faults.push(`${message.method} with the id ${message.id}, which is open already`);
      asking.add(message.id);
    }
    onmessage(message, extra);
  };
  transport.send = (message, options) => {
    if (message.method === undefined) asking.delete(message.id);
    else if (message.id !== undefined) {
      asked.set(message.id, { method: message.method, token: message.params?._meta?.progressToken ?? null });
    }
    return send.call(transport, message, options);
  };
}
