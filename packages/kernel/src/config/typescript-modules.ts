import { registerHooks } from 'node:module';

/**
 * While `work` runs, a `.ts` file outside `node_modules` is an ES module, whatever the nearest `package.json` says.
 *
 * Node would follow its `type`, and `npm init` writes `commonjs`, where `import` and `export` are syntax errors; without a
 * `type` it guesses and prints a warning. People write TypeScript in ES module syntax either way. `.cts` stays CommonJS.
 */
export async function withTypeScriptModules<T>(work: () => Promise<T>): Promise<T> {
  const hooks = registerHooks({
    // Not `load`, which is the hook for a format: with one in place a CommonJS package on Node 22 cannot require ES modules.
    resolve(specifier, context, nextResolve) {
      const resolved = nextResolve(specifier, context);
      const isOurs = context.conditions.includes('import') && isOwnTypeScript(resolved.url);
      return isOurs ? { ...resolved, format: 'module-typescript' } : resolved;
    },
  });
  try {
    return await work();
  } finally {
    hooks.deregister();
  }
}

function isOwnTypeScript(url: string): boolean {
  return /^file:[^?#]*\.ts(?:$|[?#])/.test(url) && !url.includes('/node_modules/');
}
