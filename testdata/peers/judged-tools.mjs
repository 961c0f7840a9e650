// What judged.mjs offers: the tools, resources and prompts that the suite calls by name.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  acceptedContent, createRequestStateCodec, fromJsonSchema, inputRequired, McpServer, ResourceTemplate,
} from '@modelcontextprotocol/server';

const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const silence = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=';
const string = { type: 'string' };
const text = text => ({ type: 'text', text });
const said = (...content) => ({ content });
const image = { type: 'image', data: pixel, mimeType: 'image/png' };
const audio = { type: 'audio', data: silence, mimeType: 'audio/wav' };
const embedded = (uri, text, mimeType = 'text/plain') => ({ type: 'resource', resource: { uri, mimeType, text } });
const form = (properties, required = Object.keys(properties)) => ({ type: 'object', properties, required });
const fields = properties => fromJsonSchema(form(properties));
const outcome = ({ action, content }) => said(text(`action=${action}, content=${JSON.stringify(content)}`));

const state = createRequestStateCodec({ key: randomBytes(32) });

const rich = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: string, city: string } } },
  properties: {
    name: string, address: { $ref: '#/$defs/address' }, contactMethod: { type: 'string', enum: ['phone', 'email'] }, phone: string, email: string,
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

const defaults = form({
  name: { ...string, default: 'John Doe' },
  age: { type: 'integer', default: 30 },
  score: { type: 'number', default: 95.5 },
  status: { ...string, enum: ['active', 'inactive', 'pending'], default: 'active' },
  verified: { type: 'boolean', default: true },
}, []);

const titled = ['value1', 'value2', 'value3'].map(value => ({ const: value, title: `Choice ${value}` }));
const options = ['option1', 'option2', 'option3'];
const choices = form({
  untitledSingle: { ...string, enum: options },
  titledSingle: { ...string, oneOf: titled },
  legacyEnum: { ...string, enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'] },
  untitledMulti: { type: 'array', items: { ...string, enum: options } },
  titledMulti: { type: 'array', items: { anyOf: titled } },
}, []);

// newServer makes the server of one session, or of one request; notify tells those who listen of changes (2026-07-28).
export function newServer({ era }, notify) {
  const capabilities = {
    tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true, listChanged: true }, completions: {}, logging: {},
  };
  const server = new McpServer({ name: 'judged-peer', version: '1.0.0' }, { capabilities, requestState: { verify: state.verify } });
  const tool = (name, schema, handler) => server.registerTool(name, { description: name, inputSchema: schema }, handler);
  const bare = (name, handler) => tool(name, fields({}), (_, ctx) => handler(ctx));
  plainTools(tool, bare);
  offerResources(server);
  offerPrompts(server);
  server.server.setRequestHandler('completion/complete', () => ({ completion: { values: ['test'], total: 1, hasMore: false } }));
  if (era === 'legacy') {
    askingTools(tool, bare);
    server.server.setRequestHandler('resources/subscribe', () => ({}));
    server.server.setRequestHandler('resources/unsubscribe', () => ({}));
  } else {
    modernTools(tool, bare, notify);
    server.registerPrompt('test_input_required_result_prompt', { description: 'asks first' }, ctx => {
      const given = acceptedContent(ctx.mcpReq.inputResponses, 'user_context');
      if (!given) return inputRequired({ inputRequests: { user_context: ask('What context should the prompt use?', { context: string }) } });
      return { messages: [{ role: 'user', content: text(given.context) }] };
    });
  }
  return server;
}

function plainTools(tool, bare) {
  bare('test_simple_text', () => said(text('This is a simple text response for testing.')));
  bare('test_image_content', () => said(image));
  bare('test_audio_content', () => said(audio));
  bare('test_embedded_resource', () => said(embedded('test://embedded-resource', 'This is an embedded resource content.')));
  bare('test_multiple_content_types', () => said(text('Multiple content types test:'), image,
    embedded('test://mixed-content-resource', '{"test":"data","value":123}', 'application/json')));
  bare('test_error_handling', () => { throw new Error('This tool intentionally returns an error for testing'); });
  bare('test_tool_with_progress', async ({ mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progress) await sleep(50);
      if (progressToken !== undefined) await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
    }
    return said(text('done'));
  });
  tool('json_schema_2020_12_tool', fromJsonSchema(rich), args => said(text(JSON.stringify(args))));
}

const elicit = (mcpReq, message, requestedSchema) =>
  mcpReq.send({ method: 'elicitation/create', params: { mode: 'form', message, requestedSchema } });

// askingTools ask the client something while they are called (2025-11-25), over the stream of that call: elicitInput and its
// like use the session's own, and what they say is lost when the client's GET for it comes after the call.
function askingTools(tool, bare) {
  bare('test_tool_with_logging', async ({ mcpReq }) => {
    for (const line of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      await mcpReq.notify({ method: 'notifications/message', params: { level: 'info', data: line } });
      await sleep(50);
    }
    return said(text('done'));
  });
  tool('test_sampling', fields({ prompt: string }), async ({ prompt }, { mcpReq }) => {
    const params = { messages: [{ role: 'user', content: text(prompt) }], maxTokens: 100 };
    const { content } = await mcpReq.send({ method: 'sampling/createMessage', params });
    return said(text(`LLM response: ${content.text}`));
  });
  tool('test_elicitation', fields({ message: string }), async ({ message }, { mcpReq }) =>
    outcome(await elicit(mcpReq, message, form({ username: string, email: string }))));
  for (const [name, requestedSchema] of [['sep1034_defaults', defaults], ['sep1330_enums', choices]]) {
    bare(`test_elicitation_${name}`, async ({ mcpReq }) => outcome(await elicit(mcpReq, name, requestedSchema)));
  }
  bare('test_reconnection', async ({ http }) => {
    http.closeSSE();
    await sleep(100);
    return said(text('You are back'));
  });
}

const ask = (message, properties) => inputRequired.elicit({ message, requestedSchema: form(properties) });
const sample = (question, maxTokens) => inputRequired.createMessage({ messages: [{ role: 'user', content: text(question) }], maxTokens });

// modernTools answer with what they need to know (2026-07-28).
function modernTools(tool, bare, notify) {
  const named = ask('What is your name?', { name: string });
  const needs = (name, inputRequests, given) => bare(`test_input_required_result_${name}`, async ctx => {
    const { inputResponses, requestState } = ctx.mcpReq;
    if (given(inputResponses ?? {}, ctx)) return said(text(`state-ok ${JSON.stringify(inputResponses)}`));
    const round = (requestState()?.round ?? 0) + 1;
    return inputRequired({ inputRequests: inputRequests(ctx), requestState: await state.mint({ name, round }, ctx) });
  });
  const has = (...keys) => given => keys.every(key => given[key] && typeof given[key] === 'object');
  const confirm = () => ({ confirm: ask('Please confirm', { ok: { type: 'boolean' } }) });
  needs('elicitation', () => ({ user_name: named }), given => acceptedContent(given, 'user_name'));
  needs('sampling', () => ({ capital_question: sample('What is the capital of France?', 100) }), has('capital_question'));
  needs('list_roots', () => ({ client_roots: inputRequired.listRoots() }), has('client_roots'));
  for (const name of ['request_state', 'tampered_state']) {
    needs(name, confirm, (given, { mcpReq }) => has('confirm')(given) && mcpReq.requestState()?.name === name);
  }
  needs('multiple_inputs', () => ({ user_name: named, greeting: sample('Generate a greeting', 50), client_roots: inputRequired.listRoots() }),
    has('user_name', 'greeting', 'client_roots'));
  needs('multi_round', ({ mcpReq }) => has('step1')(mcpReq.inputResponses ?? {})
    ? { step2: ask('Step 2: What is your favorite color?', { color: string }) }
    : { step1: ask('Step 1: What is your name?', { name: string }) }, has('step2'));
  needs('capabilities', () => ({ question: sample('Who are you?', 100) }), has('question'));
  bare('test_missing_capability', () => inputRequired({ inputRequests: { question: sample('Who are you?', 100) } }));
  tool('test_header', fields({ region: { ...string, 'x-mcp-header': 'Region' } }), ({ region }) => said(text(region)));
  bare('test_streaming_elicitation', async ctx => {
    await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken: 'stream', progress: 1 } });
    return inputRequired({ inputRequests: { user_name: named } });
  });
  bare('test_logging_tool', async ({ mcpReq }) => {
    await mcpReq.log('info', 'only for who asked for it');
    return said(text('done'));
  });
  bare('test_trigger_tool_change', () => { notify.toolsChanged(); return said(text('told')); });
  bare('test_trigger_prompt_change', () => { notify.promptsChanged(); return said(text('told')); });
}

function offerResources(server) {
  const offer = (name, mimeType, content) => server.registerResource(name, `test://${name}`, { description: name, mimeType },
    uri => ({ contents: [{ uri: uri.href, mimeType, ...content }] }));
  offer('static-text', 'text/plain', { text: 'This is the content of the static text resource.' });
  offer('static-binary', 'image/png', { blob: pixel });
  offer('watched-resource', 'text/plain', { text: 'Watched resource content' });
  server.registerResource('template', new ResourceTemplate('test://template/{id}/data', { list: undefined }), { mimeType: 'application/json' },
    (uri, { id }) => ({ contents: [{ uri: uri.href, mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true }) }] }));
}

function offerPrompts(server) {
  const offer = (name, properties, content) => server.registerPrompt(name, { description: name, argsSchema: fields(properties) },
    args => ({ messages: content(args).map(content => ({ role: 'user', content })) }));
  offer('test_simple_prompt', {}, () => [text('This is a simple prompt for testing.')]);
  offer('test_prompt_with_arguments', { arg1: string, arg2: string }, ({ arg1, arg2 }) => [text(`arg1='${arg1}', arg2='${arg2}'`)]);
  offer('test_prompt_with_embedded_resource', { resourceUri: string },
    ({ resourceUri }) => [embedded(resourceUri, 'Embedded resource content for testing.'), text('Please process it.')]);
  offer('test_prompt_with_image', {}, () => [image, text('Please analyze the image above.')]);
}
