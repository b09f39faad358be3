// Reads an AsyncAPI document with the official parser: node parse_asyncapi.mjs DOCUMENT
// Prints what it found as JSON and ends with 1 when there is an error.

import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const SEVERITIES = ["error", "warning", "information", "hint"];

const { document, diagnostics } = await new Parser().parse(await readFile(process.argv[2], "utf8"));
const found = diagnostics.map((one) => ({
  severity: SEVERITIES[one.severity],
  code: one.code,
  path: one.path.join("/"),
  message: one.message,
}));
const told = document && {
  version: document.version(),
  channels: document.channels().all().map((one) => one.id()),
  operations: document.operations().all().map((one) => one.id()),
  messages: document.components().messages().all().map((one) => one.id()),
};
console.log(JSON.stringify({ ...told, diagnostics: found }));
process.exitCode = document && !found.some((one) => one.severity === "error") ? 0 : 1;
