/** The command that adds a package, for the package manager the folder uses: `pnpm add cleo-plugin-x`. */
export async function installCommand(packageName: string, folder: string): Promise<string> {
  // Only a failing start needs it.
  const { detect, getUserAgent, resolveCommand } = await import('package-manager-detector');
  const detected = await detect({ cwd: folder }).catch(() => null);
  const agent = detected?.agent ?? getUserAgent() ?? 'npm';
  const resolved = resolveCommand(agent, 'add', [packageName]);
  return resolved ? [resolved.command, ...resolved.args].join(' ') : `npm install ${packageName}`;
}
