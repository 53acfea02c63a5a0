import { figure } from './markdown.ts';

/** An option, as the reference shows it. */
export interface Option {
  name: string;
  type: string;
  /** As text; the value itself is in `value` where the code says it. */
  fallback: string;
  value?: unknown;
  bounds: string;
  words: string;
}

/** What is used of a Standard Schema that can describe itself. */
export interface Schema {
  '~standard': {
    validate(value: unknown): { issues?: readonly { message: string }[] } | Promise<unknown>;
    jsonSchema: { input(options: object): JsonSchema };
  };
  shape?: Record<string, Schema>;
}

interface JsonSchema {
  type?: string;
  description?: string;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | boolean;
  required?: string[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  minLength?: number;
  pattern?: string;
}

/** How a docstring tells a default. What follows a semicolon says more about the option. */
const TOLD = /\s*\bDefault:? (.+?)(?:; (\w)|\.(?=\s|$))/;

/** The options of a schema; `docs` are their docstrings, `defaults` those that are not in the schema. */
export function optionsOf(
  schema: Schema,
  docs: ReadonlyMap<string, string>,
  defaults: Readonly<Record<string, unknown>> = {},
): Option[] {
  const { properties = {}, required = [] } = describe(schema);
  return Object.entries(properties).map(([name, property]) => {
    const words = docs.get(name)?.replaceAll(/\s+/g, ' ');
    if (!words) throw new Error(`The option ${name} has no docstring; write one before it.`);
    const value = property.default ?? defaults[name];
    const told = TOLD.exec(words)?.[1];
    if (value !== undefined && told !== undefined && plain(told) !== plain(value))
      throw new Error(`The docstring of ${name} says that its default is ${told}, and it is ${value}.`);
    return {
      name,
      type: property.properties ? asked(schema.shape![name]!).description! : typeText(property),
      fallback:
        value === undefined ? (told ?? (required.includes(name) ? 'required' : '')) : valueText(name, value),
      value,
      bounds: property.pattern ? refusal(schema.shape![name]!, '') : boundsText(name, property),
      words: withoutDefault(words),
    };
  });
}

/** A value or what a text says it is, to compare them. */
export function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.replaceAll(/[`',]| \(.*\)$/g, '');
}

function withoutDefault(words: string): string {
  return words
    .replace(TOLD, (_, _told, next: string | undefined) => (next ? ` ${next.toUpperCase()}` : ''))
    .trim();
}

function describe(schema: Schema): JsonSchema {
  return schema['~standard'].jsonSchema.input({
    target: 'draft-2020-12',
    libraryOptions: { unrepresentable: ({ zodSchema }: { zodSchema: Schema }) => asked(zodSchema) },
  });
}

/** What only a function can check tells what it expects when it is given something else. */
function asked(schema: Schema): JsonSchema {
  const message = refusal(schema, Number.NaN);
  const [, what] = /^expected (.+?)(?:, got .*)?$/.exec(message) ?? [];
  if (!what) throw new Error(`A check says "${message}", and not what it expects.`);
  const [, number, minimum, maximum] = /^(a whole number.*) from (\d+) to (\d+)$/.exec(what) ?? [];
  if (!number) return { description: what };
  return { type: 'integer', minimum: Number(minimum), maximum: Number(maximum) };
}

function refusal(schema: Schema, value: unknown): string {
  const result = schema['~standard'].validate(value);
  return ('issues' in result && result.issues?.[0]?.message) || '';
}

function typeText(property: JsonSchema): string {
  const { type, description, enum: choices, anyOf, items, additionalProperties } = property;
  if (choices) return choices.map((choice) => `\`${choice}\``).join(', ');
  if (anyOf) return anyOf.map(typeText).join(' or ');
  if (type === 'integer') return 'whole number';
  if (type === 'array') return items?.type ? `list of ${typeText(items)}s` : `list: ${typeText(items!)}`;
  if (type === 'object' && typeof additionalProperties === 'object')
    return `object of ${typeText(additionalProperties)}s`;
  return type ?? description ?? '';
}

function boundsText(name: string, property: JsonSchema): string {
  const { type, minLength, exclusiveMinimum, maximum = Number.MAX_SAFE_INTEGER } = property;
  if (minLength === 1) return 'not empty';
  const whole = type === 'integer';
  const above = exclusiveMinimum !== undefined && !whole;
  const minimum = exclusiveMinimum !== undefined && whole ? exclusiveMinimum + 1 : property.minimum;
  if (above) return `more than ${figure(exclusiveMinimum)}`;
  if (minimum === undefined) return '';
  if (maximum === Number.MAX_SAFE_INTEGER) return `${figure(minimum)} or more`;
  return `${figure(minimum)} to ${valueText(name, maximum)}`;
}

const UNITS: [name: string, ms: number][] = [
  ['days', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
];

/** A long time also in a unit that people count in. */
function valueText(name: string, value: unknown): string {
  if (typeof value === 'string') return `\`${value}\``;
  if (typeof value !== 'number') return `\`${JSON.stringify(value)}\``;
  const [unit, ms] = UNITS.find(([, each]) => value >= each) ?? [];
  if (!name.endsWith('Ms') || !ms) return figure(value);
  const count = Math.floor((value / ms) * 10) / 10;
  return `${figure(value)} (${count} ${count === 1 && unit === 'days' ? 'day' : unit})`;
}
