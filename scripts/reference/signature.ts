import {
  type CallExpression,
  type Class,
  type Expression,
  type Node,
  type ParamPattern,
  type Span,
  Visitor,
} from 'oxc-parser';
import { commentBefore, type Source } from './source.ts';

/** A declaration of a module. */
export interface Declared {
  kind: 'class' | 'constant' | 'function' | 'interface' | 'namespace' | 'type';
  /** The words before it; of overloads, those before the first that has any. */
  comment: string | undefined;
  /** Without the bodies of functions, `export`, and what is private. */
  signature: string;
}

/** What a module declares under a name: once, or a function with its overloads, or a value and a type. */
export function declared(source: Source, name: string): Declared | undefined {
  const found = source.program.body.flatMap((statement) => {
    const node =
      (statement.type === 'ExportNamedDeclaration' || statement.type === 'ExportDefaultDeclaration') &&
      statement.declaration
        ? statement.declaration
        : statement;
    return namesOf(node).includes(name) ? [{ node, start: statement.start }] : [];
  });
  // The implementation of overloads is no signature.
  const overloaded = found.some(({ node }) => node.type === 'TSDeclareFunction');
  const shown = found.filter(({ node }) => !overloaded || node.type !== 'FunctionDeclaration');
  if (shown.length === 0) return undefined;
  return {
    kind: kindOf(shown[0]!.node),
    comment: shown.map(({ start }) => commentBefore(source, start)).find(Boolean),
    signature: shown.map(({ node }) => codeOf(source, node)).join('\n'),
  };
}

function namesOf(node: Node): string[] {
  switch (node.type) {
    case 'VariableDeclaration':
      return node.declarations.flatMap(({ id }) => (id.type === 'Identifier' ? [id.name] : []));
    case 'FunctionDeclaration':
    case 'TSDeclareFunction':
    case 'ClassDeclaration':
    case 'TSInterfaceDeclaration':
    case 'TSTypeAliasDeclaration':
      return node.id ? [node.id.name] : [];
    default:
      return [];
  }
}

function kindOf({ type }: Node): Declared['kind'] {
  if (type === 'ClassDeclaration') return 'class';
  if (type === 'TSInterfaceDeclaration') return 'interface';
  if (type === 'TSTypeAliasDeclaration') return 'type';
  return type === 'VariableDeclaration' ? 'constant' : 'function';
}

function codeOf(source: Source, node: Node): string {
  const { text } = source;
  switch (node.type) {
    case 'FunctionDeclaration':
      return head(source, node, node, node.body!.start);
    case 'ClassDeclaration':
      return classCode(source, node);
    case 'VariableDeclaration': {
      const [{ id, init }] = node.declarations as [(typeof node.declarations)[0]];
      if (id.type === 'Identifier' && id.typeAnnotation) return `${text.slice(node.start, id.end)};`;
      if (init?.type === 'ArrowFunctionExpression') return head(source, node, init, init.body.start);
      if (isPlugin(init)) return pluginCode(source, (id as { name: string }).name, init);
      return withoutBodies(source, node);
    }
    case 'TSTypeAliasDeclaration':
      return typeCode(source, node);
    default:
      return withoutBodies(source, node);
  }
}

function typeCode(source: Source, node: Span): string {
  const code = withoutBodies(source, node);
  const [, inferredFrom] = /\btypeof (\w+)/.exec(code) ?? [];
  return [code, ...privateSchema(source, inferredFrom)].join('\n\n');
}

function isPlugin(init: Expression | null): init is CallExpression {
  return (
    init?.type === 'CallExpression' &&
    init.callee.type === 'Identifier' &&
    init.callee.name === 'definePlugin'
  );
}

/** A plugin as whoever calls it sees it: its options, and the services it needs and gives. */
function pluginCode(source: Source, name: string, { arguments: [definition] }: CallExpression): string {
  const { program, text } = source;
  const alias = program.body
    .map(
      ({ start, end }) => /^export type (\w+) = z\.input<typeof options>/.exec(text.slice(start, end))?.[1],
    )
    .find(Boolean);
  const schema = alias ? [] : privateSchema(source, 'options');
  const type = alias ?? (schema.length > 0 ? 'z.input<typeof options>' : undefined);
  const parts = definition?.type === 'ObjectExpression' ? definition.properties : [];
  const services = parts
    .map(({ start, end }) => text.slice(start, end).replaceAll(/\s+/g, ' '))
    .filter((property) => /^(?:requires|optional|late|provides):/.test(property))
    .map((property) => `// ${property}`);
  const declaration = [`const ${name}: PluginFactory${type ? `<${type}>` : ''};`, ...services].join('\n');
  return [declaration, ...schema].join('\n\n');
}

/** A schema of which only the type is exported: the type alone would say nothing. */
function privateSchema(source: Source, name: string | undefined): string[] {
  const schema = source.program.body.find(
    (statement) => statement.type === 'VariableDeclaration' && namesOf(statement).includes(name!),
  );
  return schema ? [withoutBodies(source, schema)] : [];
}

function classCode(source: Source, node: Class): string {
  const { text } = source;
  const members = node.body.body.flatMap((member) => {
    if (member.type === 'StaticBlock' || member.type === 'TSIndexSignature') return [];
    if (member.key.type === 'PrivateIdentifier' || member.accessibility === 'private') return [];
    const comment = commentBefore(source, member.start);
    return [`${comment ? `  ${comment}\n` : ''}  ${memberCode(source, member)}`];
  });
  return `${text.slice(node.start, node.body.start).trim()} {\n${members.join('\n')}\n}`;
}

function memberCode(
  source: Source,
  member: Exclude<Class['body']['body'][number], { type: 'StaticBlock' }>,
): string {
  const { text } = source;
  if (member.type === 'MethodDefinition' && member.value.body)
    return head(source, member, member.value, member.value.body.start);
  if (member.type === 'PropertyDefinition' && member.typeAnnotation)
    return `${text.slice(member.start, member.typeAnnotation.end)};`;
  return withoutBodies(source, member);
}

/** A function as far as its body. What it takes apart has a name instead. */
function head(
  { text }: Source,
  { start }: Span,
  { params }: { params: ParamPattern[] },
  body: number,
): string {
  let shown = '';
  let at = start;
  for (const param of params) {
    const whole = param.type === 'AssignmentPattern' ? param.left : param;
    if (whole.type !== 'ObjectPattern' || !whole.typeAnnotation) continue;
    const type = text.slice(whole.typeAnnotation.start, whole.typeAnnotation.end);
    const [, word = 'options'] = /^: *\w*?([A-Z][a-z]+)(?:<.*>)?$/.exec(type) ?? [];
    shown += `${text.slice(at, param.start)}${word.toLowerCase()}${whole === param ? '' : '?'}${type}`;
    at = param.end;
  }
  const signature = (shown + text.slice(at, body)).replace(/\s*=>\s*$/, '').trim();
  return `${signature.replace(/^(\w+ )?async /, '$1')};`;
}

/** The text of a node, `…` in place of what its functions do. */
function withoutBodies(source: Source, { start, end }: Span): string {
  let text = '';
  let at = start;
  for (const body of bodiesIn(source)) {
    if (body.start < at || body.end > end) continue;
    text += `${source.text.slice(at, body.start)}{ … }`;
    at = body.end;
  }
  return (text + source.text.slice(at, end)).replaceAll(/^ *\/\/ biome-ignore .*\n/gm, '');
}

/** In the order in which they begin, so that an outer one comes before those inside. */
function bodiesIn(source: Source): Span[] {
  const known = bodies.get(source);
  if (known) return known;
  const found: Span[] = [];
  const add = ({ body }: { body: Node | null }) => {
    if (body?.type === 'BlockStatement') found.push(body);
  };
  new Visitor({
    FunctionDeclaration: add,
    FunctionExpression: add,
    ArrowFunctionExpression: add,
  }).visit(source.program);
  found.sort((one, other) => one.start - other.start);
  bodies.set(source, found);
  return found;
}

const bodies = new Map<Source, Span[]>();
