#!/usr/bin/env node
// Writes schemas/types.ts, the TypeScript types of every schema in this folder. `--check` writes
// nothing and exits with 1 if the file is stale. Plain JavaScript, because it runs before anything
// is built.
const { readFileSync, readdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { compile } = require('json-schema-to-typescript');

const TARGET = join(__dirname, 'types.ts');
const BANNER = `/* Generated from the schemas of this folder by \`npm run schemas:types\`: change a schema, never this file. */`;

/** All schemas in one document, so that what several of them share becomes one type. */
function bundle() {
  const names = readdirSync(__dirname)
    .filter((name) => name.endsWith('.json'))
    .sort();
  const schemas = names.map((name) => [name, JSON.parse(readFileSync(join(__dirname, name), 'utf8'))]);
  return {
    title: 'SchemaFiles',
    description: 'What each file of this folder describes.',
    type: 'object',
    required: names,
    properties: Object.fromEntries(names.map((name) => [name, { $ref: `#/$defs/${name}` }])),
    $defs: Object.fromEntries(schemas.map(([name, schema]) => [name, prepared(schema, name)])),
  };
}

/** A part of the schema file `name`, as the type compiler understands it. */
function prepared(part, name) {
  if (Array.isArray(part)) return part.map((item) => prepared(item, name));
  if (typeof part !== 'object' || part === null) return part;
  // The type compiler knows the older word for a tuple only.
  const { prefixItems, ...rest } = part;
  if (prefixItems) return prepared({ ...rest, items: prefixItems, additionalItems: false }, name);
  const fields = Object.entries(part).filter(
    ([keyword]) => !['$id', '$schema', 'examples'].includes(keyword),
  );
  return unionOfCases(
    Object.fromEntries(
      fields.map(([keyword, value]) => [
        keyword,
        keyword === '$ref' ? bundledRef(value, name) : prepared(value, name),
      ]),
    ),
  );
}

/** `other.json#/$defs/x` or `#/$defs/x` -> `#/$defs/other.json/$defs/x`. */
function bundledRef(ref, name) {
  const [file, pointer = ''] = ref.split('#');
  return `#/$defs/${file || name}${pointer}`;
}

/** Types know no if and then: cases by the value of one field become a union of the cases. */
function unionOfCases(schema) {
  const cases = (Array.isArray(schema.allOf) ? schema.allOf : []).filter((part) => part.if && part.then);
  if (cases.length === 0) return schema;
  const union = cases.map(({ if: when, then }) => ({
    ...then,
    type: 'object',
    required: [...when.required, ...(then.required ?? [])],
    properties: { ...when.properties, ...then.properties },
  }));
  return { ...schema, allOf: [...schema.allOf.filter((part) => !cases.includes(part)), { anyOf: union }] };
}

async function main() {
  const types = await compile(bundle(), 'SchemaFiles', {
    additionalProperties: false, // Unknown fields are allowed everywhere, and no concern of the types.
    bannerComment: BANNER,
    ignoreMinAndMaxItems: true, // Or a list of up to 8 becomes nine tuples.
    style: { singleQuote: true, printWidth: 110, trailingComma: 'all' },
  });
  if (!process.argv.includes('--check')) {
    writeFileSync(TARGET, types);
  } else if (currentTypes() !== types) {
    console.error('schemas/types.ts is stale: run `npm run schemas:types` and commit it');
    process.exitCode = 1;
  }
}

function currentTypes() {
  try {
    return readFileSync(TARGET, 'utf8');
  } catch {
    return undefined;
  }
}

main();
