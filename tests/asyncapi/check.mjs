// Prints what the AsyncAPI parser has to say of a document, as JSON: {"diagnostics": […], "channels": n, "messages": n}.
import { Parser, fromFile } from '@asyncapi/parser';

const parser = new Parser();
const { document, diagnostics } = await fromFile(parser, process.argv[2]).parse();
console.log(JSON.stringify({
  diagnostics: diagnostics.map(({ severity, code, message, path }) => ({ severity, code, message, path: path.join('/') })),
  channels: document ? document.channels().all().length : 0,
  messages: document ? document.components().messages().all().length : 0,
  operations: document ? document.operations().all().length : 0,
}));
