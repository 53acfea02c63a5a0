import { chmodSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Bench, type Files, write } from './config.test.kit.ts';
import { SEARCH_PLACES } from './search.ts';

let bench: Bench;
beforeAll(async () => {
  bench = new Bench();
  await bench.ready;
}, 60_000);
afterAll(() => bench.close());

const ESM = `export default { agent: 'found' };`;
const CJS = `module.exports = { agent: 'found' };`;
const TS = `
  import { defineConfig, type CleoConfig } from '@cleocode/kernel';
  import { agent } from './parts/agent.ts';
  const config: CleoConfig = { agent };
  export default defineConfig(config);`;
const PART: Files = { 'parts/agent.ts': `export const agent: string = 'found' satisfies string;` };

describe('a script is loaded', () => {
  const packages: Record<string, Files> = {
    'without a package.json': {},
    'in a package without a type': { 'package.json': {} },
    'in a module package': { 'package.json': { type: 'module' } },
    'in a commonjs package': { 'package.json': { type: 'commonjs' } },
  };
  const scripts: Record<string, [script: string, files?: Files]> = {
    'cleo.config.ts': [TS, PART],
    'cleo.config.mts': [TS, PART],
    '.cleorc.ts': [TS, PART],
    'cleo.config.mjs': [ESM],
    'cleo.config.cjs': [CJS],
  };
  for (const [where, manifest] of Object.entries(packages)) {
    for (const [name, [script, files]] of Object.entries(scripts))
      test(`${name} ${where}`, async () => {
        const folder = bench.project({ ...manifest, ...files, [name]: script });
        expect(await bench.load(folder)).toEqual({
          file: join(folder, name),
          config: { agent: { id: 'found' }, plugins: [] },
        });
      });
    test(`cleo.config.js ${where}`, async () => {
      const script = where.includes('commonjs') ? CJS : ESM;
      const { config } = await bench.load(bench.project({ ...manifest, 'cleo.config.js': script }));
      expect(config).toMatchObject({ agent: { id: 'found' } });
    });
  }

  test('without a word on stderr about the missing type', async () => {
    const before = bench.output;
    await bench.load(bench.project({ 'package.json': {}, ...PART, 'cleo.config.ts': TS }));
    expect(bench.output).toBe(before);
  });

  test('that a transpiler turned into CommonJS', async () => {
    const script = `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = { agent: 'found' };`;
    const { config } = await bench.load(bench.project({ 'cleo.config.cjs': script }));
    expect(config).toMatchObject({ agent: { id: 'found' } });
  });

  test('from a folder that cannot be written to, and nothing is written', async () => {
    const folder = bench.project({ 'package.json': { type: 'commonjs' }, ...PART, 'cleo.config.ts': TS });
    const before = readdirSync(folder, { recursive: true });
    chmodSync(folder, 0o555);
    expect((await bench.load(folder)).config).toMatchObject({ agent: { id: 'found' } });
    expect(readdirSync(folder, { recursive: true })).toEqual(before);
    chmodSync(folder, 0o755);
  });
});

describe('a function is called', () => {
  test.each([
    ['and may return the configuration', `() => ({ agent: 'called' })`],
    ['and may be async', `async () => ({ agent: 'called' })`],
    ['through defineConfig', `defineConfig(async () => ({ agent: 'called' }))`],
    ['and a promise is awaited', `Promise.resolve({ agent: 'called' })`],
  ])('%s', async (_, expression) => {
    const script = `import { defineConfig } from '@cleocode/kernel';\nexport default ${expression};`;
    const { config } = await bench.load(bench.project({ 'cleo.config.ts': script }));
    expect(config).toMatchObject({ agent: { id: 'called' } });
  });

  test('with the import of TypeScript still working inside', async () => {
    const { config } = await bench.load(
      bench.project({
        'package.json': { type: 'commonjs' },
        ...PART,
        'cleo.config.ts': `export default async () => await import('./parts/agent.ts').then(({ agent }) => ({ agent }));`,
      }),
    );
    expect(config).toMatchObject({ agent: { id: 'found' } });
  });

  test('and its exception is the cause', async () => {
    const folder = bench.project({
      'cleo.config.ts': `\nexport default () => {\n  throw new Error('no luck');\n};`,
    });
    expect(await bench.failure(folder)).toMatchObject({
      code: 'E_CONFIG_LOAD',
      message: 'cleo.config.ts:3: cannot be loaded: no luck',
      details: { file: join(folder, 'cleo.config.ts'), line: 3 },
      cause: { name: 'Error', message: 'no luck' },
    });
  });

  test.each([
    ['a promise that never settles', `export default () => new Promise(() => {});`],
    ['a top-level await that never settles', `await new Promise(() => {});\nexport default {};`],
  ])('and %s ends at the deadline', async (_, script) => {
    const folder = bench.project({ 'cleo.config.ts': script });
    expect(await bench.failure(folder, { deadlineMs: 150 })).toMatchObject({
      code: 'E_CONFIG_LOAD',
      message: 'cleo.config.ts: cannot be loaded: not settled after 150 ms',
      hint: expect.stringContaining('plugin'),
      details: { file: join(folder, 'cleo.config.ts') },
    });
  });
});

describe('data is loaded', () => {
  test.each([
    ['cleo.config.json', '{ "agent": "found" }'],
    ['cleo.config.json', '\uFEFF{ "agent": "found" }'],
    ['.cleorc', '{ "agent": "found" } # JSON is YAML'],
    ['.cleorc', 'agent: found'],
    ['.cleorc.yaml', '# a comment\nagent: found'],
    ['.config/cleorc.yml', 'agent: found'],
    ['package.json', '{ "name": "x", "cleo": { "agent": "found" } }'],
  ])('from %s: %j', async (name, content) => {
    const folder = bench.project({ [name]: content });
    expect(await bench.load(folder)).toEqual({
      file: join(folder, name),
      config: { agent: { id: 'found' }, plugins: [] },
    });
  });
});

describe('the search', () => {
  test('takes the first place that exists, in the documented order', async () => {
    const contents = (place: string) => {
      if (place === 'package.json') return { cleo: { agent: 'the-agent' } };
      if (/\.[cm]?[jt]s$/.test(place)) return /\.cjs$/.test(place) ? CJS : ESM;
      return { agent: 'the-agent' };
    };
    const folder = bench.project(Object.fromEntries(SEARCH_PLACES.map((place) => [place, contents(place)])));
    const taken: string[] = [];
    for (const place of SEARCH_PLACES) {
      taken.push((await bench.load(folder)).file!.slice(folder.length + 1));
      rmSync(join(folder, place));
    }
    expect(taken).toEqual(SEARCH_PLACES);
    expect(SEARCH_PLACES[0]).toBe('cleo.config.ts');
    expect(SEARCH_PLACES).toHaveLength(23);
  });

  test('goes up to the nearest folder that has one', async () => {
    const folder = bench.project({ '.cleorc': 'agent: far', 'a/cleo.config.json': '{}', 'a/b/c/x': '' });
    expect((await bench.load(join(folder, 'a/b/c'))).file).toBe(join(folder, 'a/cleo.config.json'));
  });

  test('passes over a package.json that does not speak of Cleo, even a broken or an empty one', async () => {
    const folder = bench.project({
      'cleo.config.json': '{}',
      'a/package.json': '{ "dependencies": { "cleo": "1" } }',
      'a/b/package.json': '{ broken',
      'a/b/c/package.json': '',
    });
    expect((await bench.load(join(folder, 'a/b/c'))).file).toBe(join(folder, 'cleo.config.json'));
  });

  test('finds none where there is none, and that is no error', async () => {
    expect(await bench.load(bench.project({ 'package.json': { name: 'x' } }))).toEqual({
      file: undefined,
      config: { plugins: [] },
    });
  });

  test('does not look above the home folder, but up to the root from outside of it', async () => {
    const above = dirname(bench.home);
    write(above, { '.cleorc': 'agent: above', 'elsewhere/x': '' });
    expect((await bench.load(bench.project({}))).file).toBeUndefined();
    expect((await bench.load(join(above, 'elsewhere'))).file).toBe(join(above, '.cleorc'));
    rmSync(join(above, '.cleorc'));
  });

  test('takes a folder of that name for no configuration', async () => {
    const folder = bench.project({ 'cleo.config.ts/x': '', '.cleorc': 'agent: found' });
    expect((await bench.load(folder)).file).toBe(join(folder, '.cleorc'));
  });

  test('does not pass over a link to nowhere', async () => {
    const folder = bench.project({ 'package.json': { cleo: { agent: 'other' } } });
    symlinkSync(join(folder, 'gone.json'), join(folder, 'cleo.config.json'));
    expect(await bench.failure(folder)).toMatchObject({
      code: 'E_CONFIG_LOAD',
      message: expect.stringContaining('cleo.config.json: cannot be loaded: ENOENT'),
      hint: expect.stringContaining('link'),
      cause: { code: 'ENOENT' },
    });
  });

  test.skipIf(process.getuid?.() === 0)('does not pass over a file it may not read', async () => {
    const folder = bench.project({ '.cleorc.json': '{}', 'package.json': { cleo: { agent: 'other' } } });
    chmodSync(join(folder, '.cleorc.json'), 0);
    expect(await bench.failure(folder)).toMatchObject({
      code: 'E_CONFIG_LOAD',
      message: expect.stringContaining('.cleorc.json: cannot be loaded: EACCES'),
      hint: 'Make the file readable for the user that runs this.',
      cause: { code: 'EACCES' },
    });
  });

  test('does not pass over a script that fails for want of another file', async () => {
    const folder = bench.project({
      'cleo.config.mjs': `import { readFileSync } from 'node:fs';\nexport default JSON.parse(readFileSync('/no/such/file'));`,
      '.cleorc': 'agent: other',
    });
    expect(await bench.failure(folder)).toMatchObject({
      code: 'E_CONFIG_LOAD',
      message: expect.stringContaining('cleo.config.mjs:2: cannot be loaded: ENOENT'),
      cause: { code: 'ENOENT' },
    });
  });
});

describe('a named file', () => {
  test('is relative to the working directory', async () => {
    const folder = bench.project({ 'settings/mine.yaml': 'agent: mine', 'cleo.config.json': '{}' });
    expect(await bench.load(folder, { file: 'settings/mine.yaml' })).toEqual({
      file: join(folder, 'settings/mine.yaml'),
      config: { agent: { id: 'mine' }, plugins: [] },
    });
  });

  test('that does not exist is E_CONFIG_NOT_FOUND, whatever else there is', async () => {
    const folder = bench.project({ 'cleo.config.json': '{}' });
    expect(await bench.failure(folder, { file: 'other.ts' })).toMatchObject({
      code: 'E_CONFIG_NOT_FOUND',
      message: 'other.ts: there is no such file',
      hint: expect.stringContaining('cleo.config.ts'),
      details: { file: join(folder, 'other.ts') },
    });
  });

  test('in a working directory that does not exist is E_CONFIG_NOT_FOUND', async () => {
    const gone = join(bench.home, 'gone');
    expect(await bench.failure(gone)).toMatchObject({
      code: 'E_CONFIG_NOT_FOUND',
      message: `${gone}: there is no such folder`,
    });
  });

  test('of a format nobody knows is E_CONFIG_LOAD', async () => {
    const folder = bench.project({ 'cleo.toml': 'agent = "x"' });
    expect(await bench.failure(folder, { file: 'cleo.toml' })).toMatchObject({
      code: 'E_CONFIG_LOAD',
      message: 'cleo.toml: cannot be loaded: .toml files are not understood',
      hint: expect.stringContaining('.yaml'),
      details: { file: join(folder, 'cleo.toml') },
    });
  });

  test('package.json must speak of Cleo', async () => {
    const folder = bench.project({ 'package.json': { name: 'x' } });
    expect(await bench.failure(folder, { file: 'package.json' })).toMatchObject({
      code: 'E_CONFIG_EMPTY',
      message: 'package.json: has no "cleo"',
    });
  });
});

describe('a configuration that says nothing is E_CONFIG_EMPTY', () => {
  test.each([
    ['cleo.config.ts', '', 'the file is empty'],
    ['cleo.config.ts', '// nothing yet', 'has no default export'],
    [
      'cleo.config.ts',
      `export const config = {}, other = 1;`,
      'has no default export; it exports config, other',
    ],
    ['cleo.config.ts', 'export default null;', 'the default export is null'],
    ['cleo.config.ts', 'export default undefined;', 'has no default export'],
    ['cleo.config.ts', 'export default () => {};', 'the default export returns undefined'],
    ['cleo.config.ts', 'export default async () => null;', 'the default export returns null'],
    ['cleo.config.cjs', '', 'the file is empty'],
    ['cleo.config.cjs', '// nothing yet', 'has no default export'],
    ['cleo.config.json', '\n', 'the file is empty'],
    ['cleo.config.json', 'null', 'the configuration is null'],
    ['.cleorc', '', 'the file is empty'],
    ['.cleorc', '~', 'the configuration is null'],
    ['.cleorc.json', '', 'the file is empty'],
    ['.cleorc.yaml', '  \n', 'the file is empty'],
    ['.cleorc.yaml', '# agent: x\n\n  # plugins:', 'the file is empty'],
    ['.cleorc.yaml', '---\n', 'the configuration is null'],
    ['.config/cleorc.yml', 'null', 'the configuration is null'],
    ['package.json', '{ "cleo": null }', 'the configuration is null'],
  ])('%s: %j', async (name, content, problem) => {
    // A second place would be taken if the first counted as none.
    const folder = bench.project({ 'a/place/here': '', '.cleorc.cjs': '', [`a/${name}`]: content });
    expect(await bench.failure(join(folder, 'a'))).toMatchObject({
      name: 'KernelError',
      code: 'E_CONFIG_EMPTY',
      message: `${name}: ${problem}`,
      hint: expect.stringContaining('Write'),
      details: { file: join(folder, 'a', name) },
    });
  });
});

describe('a configuration that fails is E_CONFIG_LOAD', () => {
  const commonjs = { 'package.json': { type: 'commonjs' } };
  test.each<[what: string, files: Files, message: string | RegExp, hint: string | RegExp, cause: object]>([
    [
      'a syntax error in TypeScript',
      { 'cleo.config.ts': 'const a = 1;\nexport default { a: ;' },
      'cleo.config.ts:2: cannot be loaded: Expression expected',
      'Correct the syntax there.',
      { name: 'SyntaxError', code: 'ERR_INVALID_TYPESCRIPT_SYNTAX' },
    ],
    [
      'a syntax error in an ES module, whose line V8 keeps to itself',
      { 'cleo.config.mjs': 'const a = 1;\n\nexport default { a: ;' },
      "cleo.config.mjs:3: cannot be loaded: Unexpected token ';'",
      'Correct the syntax there.',
      { name: 'SyntaxError' },
    ],
    [
      'a syntax error in CommonJS',
      { 'cleo.config.cjs': 'module.exports = {\n  a: ;' },
      "cleo.config.cjs:2: cannot be loaded: Unexpected token ';'",
      'Correct the syntax there.',
      { name: 'SyntaxError' },
    ],
    [
      'an enum',
      { 'cleo.config.ts': '\nenum Level { Low }\nexport default {};' },
      /^cleo\.config\.ts:2: cannot be loaded: TypeScript enum is not supported/,
      /instead of an enum/,
      { code: 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' },
    ],
    [
      'a parameter property in a commonjs package',
      { ...commonjs, 'cleo.config.ts': 'class A { constructor(private a: number) {} }\nexport default {};' },
      /^cleo\.config\.ts:1: cannot be loaded: TypeScript parameter property/,
      /parameter property/,
      { code: 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' },
    ],
    [
      'an exception',
      { 'cleo.config.ts': '\n\nthrow new TypeError("no environment");' },
      'cleo.config.ts:3: cannot be loaded: no environment',
      /then try again/,
      { name: 'TypeError', message: 'no environment' },
    ],
    [
      'something thrown that is no error',
      { 'cleo.config.mjs': 'throw "a string";' },
      'cleo.config.mjs: cannot be loaded: a string',
      /then try again/,
      { thrown: 'a string' },
    ],
    [
      'an exception in a file it imports, which is named',
      {
        'cleo.config.ts': `import './parts/a.ts';\nexport default {};`,
        'parts/a.ts': '\nthrow new Error("inner");',
      },
      'cleo.config.ts: cannot be loaded: inner (at parts/a.ts:2)',
      /then try again/,
      { message: 'inner' },
    ],
    [
      'ES module syntax in the .js of a commonjs package',
      { ...commonjs, 'cleo.config.js': ESM },
      "cleo.config.js:1: cannot be loaded: Unexpected token 'export'",
      /name it \.mjs or \.ts/,
      { name: 'SyntaxError' },
    ],
    [
      'CommonJS in TypeScript',
      { 'cleo.config.ts': CJS },
      /^cleo\.config\.ts:1: cannot be loaded: module is not defined/,
      /export default, or name it \.cjs/,
      { name: 'ReferenceError' },
    ],
    [
      'a package that is not installed',
      { 'cleo.config.ts': `import x from '@acme/missing/deep';\nexport default x;` },
      /^cleo\.config\.ts: cannot be loaded: Cannot find package '@acme\/missing' imported from/,
      'Install the package: npm i @acme/missing',
      { code: 'ERR_MODULE_NOT_FOUND' },
    ],
    [
      'a required package that is not installed',
      { 'cleo.config.cjs': `\nmodule.exports = require('missing');`, 'pnpm-lock.yaml': '' },
      /^cleo\.config\.cjs(:2)?: cannot be loaded: Cannot find module 'missing'$/,
      'Install the package: pnpm add missing',
      { code: 'MODULE_NOT_FOUND' },
    ],
    [
      'a relative import without its extension',
      { 'cleo.config.ts': `import x from './parts/agent';\nexport default x;`, ...PART },
      /^cleo\.config\.ts: cannot be loaded: Cannot find module '.*parts\/agent'/,
      /with its extension/,
      { code: 'ERR_MODULE_NOT_FOUND' },
    ],
    [
      'a type imported as a value',
      {
        'cleo.config.ts': `import { CleoConfig } from '@cleocode/kernel';\nexport default {} as CleoConfig;`,
      },
      /^cleo\.config\.ts:1: cannot be loaded: The requested module '@cleocode\/kernel' does not provide/,
      /import type/,
      { name: 'SyntaxError' },
    ],
    [
      'a path that a package does not export',
      { 'cleo.config.ts': `import x from '@cleocode/kernel/src/plugin.ts';\nexport default x;` },
      /^cleo\.config\.ts: cannot be loaded: Package subpath '\.\/src\/plugin\.ts' is not defined/,
      /does not offer this path/,
      { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' },
    ],
    [
      'TypeScript published in a package',
      {
        'cleo.config.ts': `import x from 'typed';\nexport default x;`,
        'node_modules/typed/package.json': { name: 'typed', exports: './index.ts' },
        'node_modules/typed/index.ts': 'export default {};',
      },
      /^cleo\.config\.ts: cannot be loaded: Stripping types is currently unsupported for files under node_modules/,
      /published as JavaScript/,
      { code: 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING' },
    ],
    [
      'broken JSON',
      { 'cleo.config.json': '{\n  "agent": "x"\n  "plugins": []\n}' },
      "cleo.config.json:3: cannot be loaded: Expected ',' or '}' after property value",
      'Correct the syntax there.',
      { name: 'SyntaxError' },
    ],
    [
      'an unexpected token in JSON, whose place V8 keeps to itself',
      { '.cleorc.json': '{\n  "agent": "x",\n  "plugins": [\n    poller\n  ]\n}' },
      ".cleorc.json:4: cannot be loaded: Unexpected token 'p'",
      'Correct the syntax there.',
      { name: 'SyntaxError' },
    ],
    [
      'JSON cut short',
      { '.cleorc.json': '{\n  "agent": "x",\n  "plugins": [' },
      '.cleorc.json:3: cannot be loaded: Unexpected end of JSON input',
      'Correct the syntax there.',
      { name: 'SyntaxError' },
    ],
    [
      'a broken package.json that speaks of Cleo',
      { 'package.json': '{\n  "cleo": {}\n  "name": "x"\n}' },
      "package.json:3: cannot be loaded: Expected ',' or '}' after property value",
      'Correct the syntax there.',
      { name: 'SyntaxError' },
    ],
    [
      'broken YAML',
      { '.cleorc': 'agent: x\n  plugins: []' },
      '.cleorc:2: cannot be loaded: bad indentation of a mapping entry',
      'Correct the syntax there.',
      { name: 'SyntaxError' },
    ],
  ])('%s', async (_, files, message, hint, cause) => {
    const folder = bench.project({ 'package.json': { type: 'module' }, ...files });
    const error = await bench.failure(folder);
    expect(error).toMatchObject({ name: 'KernelError', code: 'E_CONFIG_LOAD', cause });
    expect(error.message).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
    expect(error.hint).toEqual(typeof hint === 'string' ? hint : expect.stringMatching(hint));
    expect(error.details.file).toBe(join(folder, error.message.split(':')[0]!));
  });

  test.each([
    ['.cleorc.json', '{ "agent": { "id": "x", "apiKey": "sk_live_0123456789abcdef" oops } }'],
    ['.cleorc.json', '{ "agent": { "id": "x", "apiKey": sk_live_0123456789abcdef } }'],
    ['.cleorc.yaml', 'agent:\n  apiKey: sk_live_0123456789abcdef\n id: x'],
  ])('and %s never shows the key beside the mistake: %s', async (name, content) => {
    const error = await bench.failure(bench.project({ [name]: content }));
    expect(error.code).toBe('E_CONFIG_LOAD');
    expect(JSON.stringify(error)).not.toMatch(/live|0123456789/);
  });
});

describe('a configuration of the wrong shape is E_CONFIG_INVALID', () => {
  test('with the path of each fault and the nearest right name', async () => {
    const folder = bench.project({
      'cleo.config.ts': `export default { plugin: [], plugins: [null, {}, 7] };`,
    });
    expect(await bench.failure(folder)).toMatchObject({
      code: 'E_CONFIG_INVALID',
      message: [
        'cleo.config.ts: plugins[1]: expected a plugin, a name or [name, options], got an object',
        'cleo.config.ts: plugins[2]: expected a plugin, a name or [name, options], got 7',
        'cleo.config.ts: plugin: unknown key, did you mean "plugins"?',
      ].join('\n'),
      details: { file: join(folder, 'cleo.config.ts'), path: 'plugins[1]' },
    });
  });

  test.each([
    ['.cleorc', 'just words', '.cleorc: expected a configuration object, got a string'],
    ['.cleorc.yaml', '- poller', '.cleorc.yaml: expected a configuration object, got a list of 1'],
    ['cleo.config.ts', 'export default 5;', 'cleo.config.ts: expected a configuration object, got 5'],
    [
      'package.json',
      '{ "cleo": { "plugins": {} } }',
      'package.json: cleo.plugins: expected a list of plugins, got an object',
    ],
    ['.cleorc', '$import: ./other.yaml', /^\.cleorc: \$import: unknown key/],
  ])('%s: %j', async (name, content, message) => {
    const error = await bench.failure(bench.project({ [name]: content }));
    expect(error.code).toBe('E_CONFIG_INVALID');
    expect(error.message).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
  });

  test('when it exports a plugin instead', async () => {
    const script = `import { definePlugin } from '@cleocode/kernel';
      export default definePlugin({ name: 'acme', version: '1.0.0', apiVersion: 1, setup() {} });`;
    expect(await bench.failure(bench.project({ 'cleo.config.ts': script }))).toMatchObject({
      code: 'E_CONFIG_INVALID',
      message:
        'cleo.config.ts: expected a configuration object, got the plugin factory acme; call it: plugin(options)',
    });
  });

  test('and a file above the working directory is named from there', async () => {
    const folder = bench.project({ 'cleo.config.json': '{ "agnet": "x" }', 'a/b/x': '' });
    expect((await bench.failure(join(folder, 'a/b'))).message).toBe(
      '../../cleo.config.json: agnet: unknown key, did you mean "agent"?',
    );
  });
});
