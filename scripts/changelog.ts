/** How `changeset version` writes a changelog: each change with its commit, and moved dependencies in one entry. */

interface Changeset {
  summary: string;
  /** Missing while the changeset is not committed. */
  commit?: string;
}

export default {
  getReleaseLine({ summary, commit }: Changeset): string {
    const text = summary
      .trim()
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n  ');
    return `- ${text}${commit ? ` ([${commit.slice(0, 7)}](https://github.com/cleocode/runtime/commit/${commit}))` : ''}`;
  },

  getDependencyReleaseLine(_: Changeset[], moved: { name: string; newVersion: string }[]): string {
    if (moved.length === 0) return '';
    return `- Needs ${moved.map(({ name, newVersion }) => `\`${name}\` ${newVersion}`).join(', ')}.`;
  },
};
