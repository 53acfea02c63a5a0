import { pathToFileURL } from 'node:url';

/** What a module exports. */
export interface ImportedModule {
  /** The default export, without the second wrapping that a transpiler to CommonJS leaves. */
  default: unknown;
  /** The names it exports, `default` left out. */
  names: string[];
}

/**
 * Imports a script by its absolute path, natively: Node strips the types. Rejects with whatever Node or the script throws.
 * A module is evaluated once per process, so a file that changed is not read again.
 */
export async function importModule(file: string): Promise<ImportedModule> {
  const module: Record<string, unknown> = await import(/* @vite-ignore */ pathToFileURL(file).href);
  const names = Object.keys(module).filter(
    (name) => !['default', 'module.exports', '__esModule'].includes(name),
  );
  const exported = module.default;
  return { default: isTranspiled(module, exported) ? exported.default : exported, names };
}

function isTranspiled(module: object, exported: unknown): exported is { default: unknown } {
  return '__esModule' in module && typeof exported === 'object' && exported !== null && 'default' in exported;
}
