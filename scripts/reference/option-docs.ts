import { type Node, Visitor } from 'oxc-parser';
import { commentBefore, type Source, sourceOf, wordsOf } from './source.ts';

/** The docstrings of the options that an interface or a strict schema declares, by their names. */
export function optionDocs(file: string, name: string): Map<string, string> {
  const source = sourceOf(file);
  const found = new Map<string, string>();
  const add = (members: readonly Member[]) => {
    for (const { key, start } of members) {
      if (key?.type !== 'Identifier') continue;
      found.set(key.name, wordsOf(commentBefore(source, start) ?? '/***/'));
    }
  };
  new Visitor({
    TSInterfaceDeclaration({ id, body }) {
      if (id.name === name) add(body.body as Member[]);
    },
    VariableDeclarator({ id, init }) {
      if (id.type === 'Identifier' && id.name === name && init) add(shapeOf(source, init));
    },
  }).visit(source.program);
  if (found.size === 0) throw new Error(`${file}: ${name} declares no options`);
  return found;
}

interface Member {
  key?: Node;
  start: number;
}

/** What is given to `strictObject`, whatever is called on its answer. */
function shapeOf(source: Source, schema: Node): readonly Member[] {
  let shape: readonly Member[] = [];
  new Visitor({
    CallExpression({ callee, arguments: [first], start, end }) {
      if (start < schema.start || end > schema.end || first?.type !== 'ObjectExpression') return;
      if (callee.type === 'MemberExpression' && source.text.slice(0, callee.end).endsWith('strictObject'))
        shape = first.properties as Member[];
    },
  }).visit(source.program);
  return shape;
}
