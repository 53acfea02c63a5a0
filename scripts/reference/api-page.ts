import type { Export, Place, Section } from './api.ts';
import { exportsOf, keyOf, type Package, type Target } from './exports.ts';
import { code, firstParagraph, table } from './markdown.ts';
import { declared } from './signature.ts';
import { sourceOf, wordsOf } from './source.ts';

/** A link of a docstring, to an export or to a member of one. */
const LINK = /\{@link ([\w.]+)\}/g;

/** What a package exports, as a document. */
export class ApiPage {
  readonly text: string;
  /** Exports without a docstring, with their files. */
  readonly bare: string[] = [];
  readonly #package: Package;
  readonly #places: ReadonlyMap<string, Place>;
  readonly #exports: ReadonlyMap<string, Target>;

  constructor(one: Package, sections: readonly Section[], places: ReadonlyMap<string, Place>) {
    this.#package = one;
    this.#places = places;
    const all = sections.flatMap((section) => section.all);
    this.#exports = new Map(all.map(({ name, target }) => [name, target]));
    this.text = [
      `# ${one.name}`,
      one.description,
      `[The README](../../../packages/${one.folder}/README.md) shows how it is used. This page is made from the docstrings.`,
      ...sections.flatMap((section) => this.#section(section)),
      '',
    ].join('\n\n');
  }

  #section({ heading, all, own }: Section): string[] {
    const rows = all.map(({ name, target }) => {
      const { kind, words } = this.#describe(name, target);
      return [this.#link(target, name), kind, firstParagraph(words)];
    });
    return [`## ${heading}`, table(['export', 'is a', ''], rows), ...own.map((one) => this.#export(one))];
  }

  #export({ name, isDefault, target }: Export): string {
    const { kind, comment, words, signature } = this.#describe(name, target);
    if (!comment) this.bare.push(`${target.file}: ${name}`);
    const [, file] = target.file.split('/src/');
    const origin = `[${file}](../../../${target.file})`;
    const facts = [isDefault ? `${kind}, the default export` : kind, origin].join(' · ');
    const block = `\`\`\`ts\n${signature.replaceAll(LINK, '`$1`')}\n\`\`\``;
    return [`### ${code(name)}`, facts, words, block].filter(Boolean).join('\n\n');
  }

  #describe(name: string, target: Target) {
    const found = target.name === '*' ? this.#namespace(name, target) : declaredBy(target);
    return { ...found, words: this.#words(found.comment ?? '') };
  }

  /** `export * as …`: what is not exported by its own name as well. */
  #namespace(name: string, { file, comment }: Target): ReturnType<typeof declaredBy> {
    const named = new Set([...this.#exports.values()].map(keyOf));
    const members = [...exportsOf(file)].filter(([, target]) => !named.has(keyOf(target)));
    const lines = members.map(([member, target]) => {
      const found = declaredBy(target);
      if (!found.comment) this.bare.push(`${target.file}: ${name}.${member}`);
      return `${found.comment}\n${found.signature}`.replaceAll(/^/gm, '  ');
    });
    return { kind: 'namespace', comment, signature: `namespace ${name} {\n${lines.join('\n')}\n}` };
  }

  #words(comment: string): string {
    return wordsOf(comment).replaceAll(LINK, (_, name: string) => {
      const target = this.#exports.get(name.split('.')[0]!);
      return target ? this.#link(target, name) : code(name);
    });
  }

  #link(target: Target, name: string): string {
    const place = this.#places.get(keyOf(target));
    if (!place) throw new Error(`${target.file}: ${name} is exported, and not by its own package`);
    return `[${code(name)}](${place.folder === this.#package.folder ? '' : `${place.folder}.md`}#${place.anchor})`;
  }
}

function declaredBy({ file, name }: Target) {
  const found = declared(sourceOf(file), name);
  if (!found) throw new Error(`${file}: there is no declaration of ${name}`);
  return found;
}
