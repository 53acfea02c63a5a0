import { importCredentials, readCredentialFile } from '@cleocode/store';
import { checkedAddress, isExposed } from './address.ts';
import { credentialView } from './credential-view.ts';
import type { Output } from './output.ts';
import { selfCommand } from './self-command.ts';
import { withState } from './state.ts';
import { UsageError } from './usage-error.ts';

/** Registers the agent of a plain-text credential file. Throws what reading it throws, before anything is stored. */
export async function importAgent(
  output: Output,
  id: string | undefined,
  file: string,
  insecure: boolean,
): Promise<void> {
  const { agentId, apiBaseUrl } = readCredentialFile(file);
  if (id !== undefined && id !== agentId)
    throw new UsageError(`${file} is of the agent "${agentId}", not "${id}"`, 'Leave the id out.');
  const exposed = isExposed(new URL(checkedAddress(apiBaseUrl!, insecure, file)));
  if (exposed)
    output.note(
      `warning: --insecure: who can listen on the way to ${apiBaseUrl} can read the key and every message`,
    );
  await withState(async (state) => {
    const { registry } = await state.store();
    const credential = await importCredentials(registry, file);
    if (exposed)
      await registry.update(agentId, {
        transportConfig: { ...credential.transportConfig, allowInsecure: true },
      });
    output.result(
      {
        ok: true,
        agentId,
        apiBaseUrl: credential.apiBaseUrl,
        apiKey: credentialView(credential).apiKey,
        stateDir: state.dir,
      },
      `${agentId} is registered (${credential.apiBaseUrl}, state in ${state.dir}).\n` +
        `  Its key stood in plain text: replace it now, then delete the file.\n\n` +
        `    ${selfCommand()} agent rotate-key ${agentId}\n    rm ${file}\n`,
    );
  });
}
