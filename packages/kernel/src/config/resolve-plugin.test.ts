import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Bench, type Files } from './config.test.kit.ts';
import { namesToTry } from './resolve-plugin.ts';

let bench: Bench;
beforeAll(async () => {
  bench = new Bench();
  await bench.ready;
}, 60_000);
afterAll(() => bench.close());

const esm = (name: string) =>
  `import { definePlugin } from '@cleocode/kernel';\nexport default definePlugin({ name: '${name}', version: '1.0.0', apiVersion: 1, setup() {} });`;

/** A package in `node_modules`, of the shape most have: an ES module whose exports know only `import`. */
const esmOnly = (name: string): Files => ({
  [`node_modules/${name}/package.json`]: {
    name,
    type: 'module',
    exports: { '.': { import: './dist/index.js' } },
  },
  [`node_modules/${name}/dist/index.js`]: esm(name),
});

const commonjs = (name: string): Files => ({
  [`node_modules/${name}/package.json`]: { name, main: 'lib.js' },
  [`node_modules/${name}/lib.js`]: `const { definePlugin } = require('@cleocode/kernel');\nmodule.exports = definePlugin({ name: '${name}', version: '1.0.0', apiVersion: 1, setup() {} });`,
});

describe('a name stands for', () => {
  test('the official package first, then the community one, then the name itself', () => {
    expect(namesToTry('poller', 'plugin')).toEqual([
      '@cleocode/plugin-poller',
      'cleo-plugin-poller',
      'poller',
    ]);
    expect(namesToTry('http', 'transport')).toEqual([
      '@cleocode/transport-http',
      'cleo-transport-http',
      'http',
    ]);
    expect(namesToTry('deliver/exec', 'plugin')).toEqual([
      '@cleocode/plugin-deliver/exec',
      'cleo-plugin-deliver/exec',
      'deliver/exec',
    ]);
  });

  test('itself alone when it is scoped, prefixed or a path', () => {
    for (const name of [
      '@acme/x',
      '@cleocode/plugin-deliver/exec',
      'cleo-plugin-x',
      './x.ts',
      '../x.js',
      '/abs/x.ts',
    ])
      expect(namesToTry(name, 'plugin')).toEqual([name]);
  });
});

describe('in JSON and YAML a plugin is found', () => {
  test('in the official scope before any other', async () => {
    const folder = bench.project({
      ...esmOnly('@cleocode/plugin-poller'),
      ...esmOnly('cleo-plugin-poller'),
      ...esmOnly('poller'),
      'cleo.config.json': { plugins: ['poller', ['poller', { intervalMs: 5000 }], ['poller']] },
    });
    expect((await bench.load(folder)).config).toEqual({
      plugins: [
        { name: '@cleocode/plugin-poller' },
        { name: '@cleocode/plugin-poller', options: { intervalMs: 5000 } },
        { name: '@cleocode/plugin-poller' },
      ],
    });
  });

  test('as cleo-plugin-… when the official scope has none, and as itself last', async () => {
    const folder = bench.project({
      ...esmOnly('cleo-plugin-weather'),
      ...esmOnly('weather'),
      ...commonjs('plain'),
      '.cleorc.yaml': 'plugins:\n  - weather\n  - [plain, { a: 1 }]\n',
    });
    expect((await bench.load(folder)).config).toEqual({
      plugins: [{ name: 'cleo-plugin-weather' }, { name: 'plain', options: { a: 1 } }],
    });
  });

  test('whether the package is ES only, CommonJS, transpiled, conditional, or in a folder above', async () => {
    const folder = bench.project({
      ...esmOnly('@acme/esm-only'),
      ...commonjs('@acme/cjs'),
      'node_modules/@acme/transpiled/package.json': { main: './index.js' },
      'node_modules/@acme/transpiled/index.js': `Object.defineProperty(exports, '__esModule', { value: true });\nexports.default = require('@acme/cjs');`,
      'node_modules/@acme/both/package.json': {
        exports: { require: './wrong.cjs', node: { import: './right.mjs' } },
      },
      'node_modules/@acme/both/wrong.cjs': 'module.exports = 1;',
      'node_modules/@acme/both/right.mjs': esm('@acme/both'),
      'app/.cleorc.json': { plugins: ['@acme/esm-only', '@acme/cjs', '@acme/transpiled', '@acme/both'] },
    });
    const names = ['@acme/esm-only', '@acme/cjs', '@acme/cjs', '@acme/both'];
    expect((await bench.load(join(folder, 'app'))).config).toEqual({
      plugins: names.map((name) => ({ name })),
    });
  });

  test('by a subpath, literally and behind a short name', async () => {
    const folder = bench.project({
      'node_modules/@cleocode/plugin-deliver/package.json': {
        type: 'module',
        exports: { './exec': { import: './exec.js' } },
      },
      'node_modules/@cleocode/plugin-deliver/exec.js': esm('@cleocode/plugin-deliver/exec'),
      '.cleorc.yaml': `plugins: ['@cleocode/plugin-deliver/exec', [deliver/exec, { command: ./agent.sh }]]`,
    });
    expect((await bench.load(folder)).config).toEqual({
      plugins: [
        { name: '@cleocode/plugin-deliver/exec' },
        { name: '@cleocode/plugin-deliver/exec', options: { command: './agent.sh' } },
      ],
    });
  });

  test('by a path from the folder of the configuration, TypeScript included', async () => {
    const folder = bench.project({
      'package.json': { type: 'commonjs' },
      'plugins/mine.ts': `import { name } from './name.ts';\n${esm('mine').replace(`'mine'`, 'name')}`,
      'plugins/name.ts': `export const name: string = 'mine';`,
      'settings/cleo.json': { plugins: ['../plugins/mine.ts', ['../plugins/mine.ts', 7]] },
    });
    expect((await bench.load(folder, { file: 'settings/cleo.json' })).config).toEqual({
      plugins: [{ name: 'mine' }, { name: 'mine', options: 7 }],
    });
  });

  test('by a string in TypeScript too, beside plugins that were imported, falsy entries left out', async () => {
    const folder = bench.project({
      ...esmOnly('cleo-plugin-a'),
      'cleo.config.ts': `
        import { defineConfig } from '@cleocode/kernel';
        import a from 'cleo-plugin-a';
        export default defineConfig({ plugins: [false, a({ by: 'import' }), null, 'a', undefined] });`,
    });
    expect((await bench.load(folder)).config).toEqual({
      plugins: [{ name: 'cleo-plugin-a', options: { by: 'import' } }, { name: 'cleo-plugin-a' }],
    });
  });

  test('ready made, when the module exports a plugin instead of its factory', async () => {
    const folder = bench.project({
      'made.ts': esm('made').replace(/;$/, `({ given: true });`),
      '.cleorc': 'plugins: [./made.ts]',
    });
    expect((await bench.load(folder)).config).toEqual({
      plugins: [{ name: 'made', options: { given: true } }],
    });
  });
});

describe('a transport is found', () => {
  test('by the same rule under its own prefix, before a module of Node', async () => {
    const folder = bench.project({
      ...esmOnly('cleo-transport-http'),
      '.cleorc.json': { transport: ['http', { pool: 2 }] },
    });
    expect((await bench.load(folder)).config).toEqual({
      transport: { name: 'cleo-transport-http', options: { pool: 2 } },
      plugins: [],
    });
  });

  test('in TypeScript as an object with the methods of one', async () => {
    const script = `const none = async () => [];
      export default { transport: { name: 'mine', connect: none, disconnect: none, push: none, poll: none, ack: none } };`;
    expect((await bench.load(bench.project({ 'cleo.config.ts': script }))).config).toEqual({
      transport: { name: 'mine' },
      plugins: [],
    });
  });

  test('and a module of Node is none', async () => {
    const folder = bench.project({ '.cleorc.json': { transport: 'http' } });
    expect(await bench.failure(folder)).toMatchObject({
      code: 'E_PLUGIN_NOT_FOUND',
      message:
        '.cleorc.json: transport: there is no transport "http"; tried @cleocode/transport-http, cleo-transport-http, http',
    });
  });
});

describe('a plugin that is not there is E_PLUGIN_NOT_FOUND', () => {
  test('with the names tried, its place, and how to install it', async () => {
    const folder = bench.project({ '.cleorc.json': { plugins: [false, 'weather'] } });
    expect(await bench.failure(folder)).toMatchObject({
      name: 'KernelError',
      code: 'E_PLUGIN_NOT_FOUND',
      message:
        '.cleorc.json: plugins[1]: there is no plugin "weather"; tried @cleocode/plugin-weather, cleo-plugin-weather, weather',
      hint: 'Install it: npm i @cleocode/plugin-weather',
      plugin: 'weather',
      details: {
        file: join(folder, '.cleorc.json'),
        path: 'plugins[1]',
        tried: ['@cleocode/plugin-weather', 'cleo-plugin-weather', 'weather'],
      },
    });
  });

  test.each([
    ['package-lock.json', 'npm i @acme/x'],
    ['pnpm-lock.yaml', 'pnpm add @acme/x'],
    ['yarn.lock', 'yarn add @acme/x'],
    ['bun.lock', 'bun add @acme/x'],
  ])('with the package manager that wrote %s', async (lockfile, command) => {
    const folder = bench.project({ [lockfile]: '', 'app/.cleorc.json': { plugins: ['@acme/x/sub'] } });
    expect((await bench.failure(join(folder, 'app'))).hint).toBe(`Install it: ${command}`);
  });

  test('with the installed one it may be a slip of', async () => {
    const folder = bench.project({
      ...esmOnly('@cleocode/plugin-poller'),
      ...esmOnly('cleo-plugin-weather'),
      ...esmOnly('@acme/cleo-exec'),
      'a/.cleorc.json': { plugins: ['poler'] },
      'b/.cleorc.json': { plugins: ['waether'] },
      'c/.cleorc.json': { plugins: ['@acme/cleo-exce'] },
    });
    const hints = ['a', 'b', 'c'].map(async (name) => (await bench.failure(join(folder, name))).hint);
    expect(await Promise.all(hints)).toEqual([
      'Did you mean "poller"? Else install it: npm i @cleocode/plugin-poler',
      'Did you mean "weather"? Else install it: npm i @cleocode/plugin-waether',
      'Did you mean "@acme/cleo-exec"? Else install it: npm i @acme/cleo-exce',
    ]);
  });

  test('with the file it may be a slip of', async () => {
    const folder = bench.project({
      'plugins/my-plugin.ts': esm('mine'),
      '.cleorc.json': { plugins: ['./plugins/my-plgin.ts'] },
      'cleo.json': { plugins: ['./other.ts'] },
    });
    expect(await bench.failure(folder)).toMatchObject({
      code: 'E_PLUGIN_NOT_FOUND',
      message: '.cleorc.json: plugins[0]: there is no plugin "./plugins/my-plgin.ts"',
      hint: 'Did you mean "./plugins/my-plugin.ts"?',
    });
    expect((await bench.failure(folder, { file: 'cleo.json' })).hint).toBe(
      `Check the path; it is relative to ${folder}.`,
    );
  });

  test('for a subpath that the package does not export', async () => {
    const folder = bench.project({
      'node_modules/@acme/x/package.json': { exports: { './exec': './exec.js' } },
      '.cleorc.json': { plugins: ['@acme/x/exce'] },
    });
    expect(await bench.failure(folder)).toMatchObject({
      code: 'E_PLUGIN_NOT_FOUND',
      message: '.cleorc.json: plugins[0]: the package is installed but has no export for @acme/x/exce',
      cause: { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' },
    });
  });
});

describe('a module that is no plugin is E_PLUGIN_INVALID', () => {
  test.each([
    ['export default 5;', 'it exports 5 by default'],
    ['export default class Poller {}', 'it exports a class by default'],
    ['export default () => ({});', 'it exports a function by default'],
    ['export const poller = 1, other = 2;', 'it has no default export, only other, poller'],
    ['', 'it exports nothing'],
  ])('naming what it exports: %s', async (module, what) => {
    const folder = bench.project({ 'mine.mjs': module, '.cleorc.json': { plugins: ['./mine.mjs'] } });
    expect(await bench.failure(folder)).toMatchObject({
      code: 'E_PLUGIN_INVALID',
      message: `.cleorc.json: plugins[0]: ./mine.mjs is no plugin: ${what}`,
      hint: expect.stringContaining('definePlugin'),
      plugin: './mine.mjs',
      details: { file: join(folder, '.cleorc.json'), path: 'plugins[0]' },
    });
  });

  test('and so is one that throws, with its error as the cause', async () => {
    const folder = bench.project({
      'node_modules/cleo-plugin-x/package.json': { type: 'module', exports: './index.js' },
      'node_modules/cleo-plugin-x/index.js': `throw new Error('not here');`,
      'package.json': { cleo: { plugins: ['x'] } },
    });
    expect(await bench.failure(folder)).toMatchObject({
      code: 'E_PLUGIN_INVALID',
      message: 'package.json: cleo.plugins[0]: cleo-plugin-x cannot be loaded: not here',
      plugin: 'cleo-plugin-x',
      cause: { name: 'Error', message: 'not here' },
    });
  });

  test('and one whose own dependency is missing', async () => {
    const folder = bench.project({
      'mine.ts': `import 'not-installed';\n${esm('mine')}`,
      '.cleorc.json': { plugins: ['./mine.ts'] },
    });
    expect(await bench.failure(folder)).toMatchObject({
      code: 'E_PLUGIN_INVALID',
      hint: 'Install the package: npm i not-installed',
      cause: { code: 'ERR_MODULE_NOT_FOUND' },
    });
  });

  test('and one whose file is missing from the package', async () => {
    const folder = bench.project({
      'node_modules/cleo-plugin-x/package.json': { type: 'module', exports: './dist/index.js' },
      '.cleorc.json': { plugins: ['x'] },
    });
    expect(await bench.failure(folder)).toMatchObject({
      code: 'E_PLUGIN_INVALID',
      message: expect.stringContaining(
        '.cleorc.json: plugins[0]: cleo-plugin-x cannot be loaded: Cannot find module',
      ),
      hint: 'The package is incomplete: build it, or install it again.',
      cause: { code: 'ERR_MODULE_NOT_FOUND' },
    });
  });

  test('and one that never finishes loading', async () => {
    const folder = bench.project({
      'mine.mjs': 'await new Promise(() => {});',
      '.cleorc.json': { plugins: ['./mine.mjs'] },
    });
    expect(await bench.failure(folder, { deadlineMs: 150 })).toMatchObject({
      code: 'E_PLUGIN_INVALID',
      message: '.cleorc.json: plugins[0]: ./mine.mjs cannot be loaded: not settled after 150 ms',
    });
  });

  test('and options for a plugin that has its own', async () => {
    const folder = bench.project({
      'made.ts': esm('made').replace(/;$/, '();'),
      '.cleorc.json': { plugins: [['./made.ts', { a: 1 }]] },
    });
    expect(await bench.failure(folder)).toMatchObject({
      code: 'E_PLUGIN_INVALID',
      message: '.cleorc.json: plugins[0]: ./made.ts has its options already and takes none here',
    });
  });
});
