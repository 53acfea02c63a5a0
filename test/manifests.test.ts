import { expect, it } from 'vitest';
import { packages, read } from './support/workspace.ts';

const REPOSITORY = 'https://github.com/cleocode/runtime';
const BUILT = ['dist', '!dist/**/*.test.*', '!dist/**/*.tsbuildinfo'];
const ALSO_PUBLISHED: Record<string, string[]> = { cleo: ['templates'] };

interface Published {
  name: string;
  description: string;
  keywords: string[];
  exports: Record<string, string>;
  bin?: Record<string, string>;
  publishConfig: { exports: Record<string, Record<string, string>>; bin?: Record<string, string> };
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

const workspace = JSON.parse(read('package.json')) as { engines: object };
const all = packages().map((one) => ({
  ...one,
  manifest: JSON.parse(read(`packages/${one.folder}/package.json`)) as Published,
}));

it.for(all)('$folder says what npm, its readers and bundlers need to know', ({ folder, manifest }) => {
  expect(manifest).toMatchObject({
    name: `@cleocode/${folder}`,
    description: expect.stringMatching(/^[A-Z].{30,}\.$/),
    homepage: `${REPOSITORY}/tree/main/packages/${folder}#readme`,
    bugs: { url: `${REPOSITORY}/issues` },
    license: 'MIT',
    repository: { type: 'git', url: `git+${REPOSITORY}.git`, directory: `packages/${folder}` },
    type: 'module',
    sideEffects: false,
    files: [...BUILT, ...(ALSO_PUBLISHED[folder] ?? [])],
    publishConfig: { access: 'public' },
    engines: workspace.engines,
  });
  expect(manifest.keywords.slice(0, 3)).toEqual(['cleo', 'agent', 'resident']);
  expect(manifest.keywords.length).toBeGreaterThan(3);
  expect(new Set(manifest.keywords).size).toBe(manifest.keywords.length);
});

it('plugins, transports and the store are found by the keyword cleo-plugin, nothing else is', () => {
  const found = all.filter(({ manifest }) => manifest.keywords.includes('cleo-plugin'));
  const plugins = all.filter(({ folder }) => /^(plugin-.+|transport-.+|store)$/.test(folder));
  expect(found.map(({ folder }) => folder)).toEqual(plugins.map(({ folder }) => folder));
});

it.for(all)('$folder publishes what it exports here, types before code', ({ manifest }) => {
  const published = Object.entries(manifest.exports).map(([path, source]) => {
    const built = source.replace(/^\.\/src\/(.+)\.ts$/, './dist/$1');
    return [path, Object.entries({ types: `${built}.d.ts`, default: `${built}.js` })];
  });
  const said = Object.entries(manifest.publishConfig.exports);
  expect(said.map(([path, targets]) => [path, Object.entries(targets)])).toEqual(published);
  const bins = Object.entries(manifest.bin ?? {}).map(([name, file]) => [
    name,
    file.replace('./src/', './dist/'),
  ]);
  expect(Object.entries(manifest.publishConfig.bin ?? {})).toEqual(bins);
});

it('packages of the workspace accept each other from the version they were released with, as peers too', () => {
  const ranges = all.flatMap(({ folder, manifest }) =>
    Object.entries({
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.peerDependencies,
    }).flatMap(([name, range]) => (name.startsWith('@cleocode/') ? [`${folder} -> ${name}: ${range}`] : [])),
  );
  expect(ranges.filter((range) => !range.endsWith(': workspace:^'))).toEqual([]);
});

it('the kernel is a peer of what runs in it, so that there is one; who composes brings it', () => {
  const peers = all.flatMap(({ folder, manifest }) =>
    Object.keys(manifest.peerDependencies ?? {}).map((name) => `${folder} -> ${name}`),
  );
  const plugins = all.filter(({ manifest }) => manifest.keywords.includes('cleo-plugin'));
  expect(peers).toEqual(plugins.map(({ folder }) => `${folder} -> @cleocode/kernel`));
  const brought = plugins.filter(({ manifest }) => '@cleocode/kernel' in (manifest.dependencies ?? {}));
  expect(brought.map(({ folder }) => folder)).toEqual([]);
});

it('what comes from the registry has one range for all, and is declared where it is imported', () => {
  const users = Map.groupBy(
    all.flatMap(({ manifest }) => Object.entries(manifest.dependencies ?? {})),
    ([name]) => name,
  );
  const shared = [...users].filter(([name, uses]) => !name.startsWith('@cleocode/') && uses.length > 1);
  const apart = shared.filter(([, uses]) => uses.some(([, range]) => range !== 'catalog:'));
  expect(apart.map(([name]) => name)).toEqual([]);

  const undeclared = all.flatMap(({ folder, manifest, sources }) =>
    sources.flatMap(({ path, imports }) =>
      imports
        .filter(
          ({ specifier }) => /^(?!@cleocode\/)@?[a-z]/.test(specifier) && !specifier.startsWith('node:'),
        )
        .filter(({ specifier }) => {
          const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
          return !(name in { ...manifest.dependencies, ...manifest.peerDependencies });
        })
        .map(({ specifier, line }) => `${path}:${line}: ${specifier} is not in package.json of ${folder}`),
    ),
  );
  expect(undeclared).toEqual([]);
});
