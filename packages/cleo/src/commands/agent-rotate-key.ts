import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AgentCredential,
  CleoError,
  isKeyRefused,
  type KeyIssuer,
  keyIssuerOf,
  maskKey,
} from '@cleocode/contracts';
import { agentOrLatest, runningPid } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { controlAddress } from '../control/address.ts';
import { ask } from '../control/client.ts';
import { during } from '../progress.ts';
import type { AgentStatus } from '../start/resident.ts';
import { type State, withState } from '../state.ts';

/** A running agent looks at the store every second or so. */
const SWITCH_MS = 10_000;
const LOOK_MS = 100;

/** Replaces the key of an agent, and waits until the process that runs it uses the new one. */
export async function run(
  cli: Cli,
  id: string | undefined,
  { overlap }: { overlap?: number },
): Promise<void> {
  const { output } = cli;
  await withState(async (state) => {
    const credential = await agentOrLatest(state, id);
    const { agentId } = credential;
    const { registry } = await state.store();
    const { connectTransport } = await import('@cleocode/runtime/transport');
    const transport = await connectTransport(credential, state.dir);
    let newApiKey: string;
    try {
      const issuer = requireIssuer(agentId, keyIssuerOf(transport));
      ({ newApiKey } = await during(output, `asking for a new key for ${agentId}`, () =>
        registry.rotateKey(agentId, {
          issuer,
          ...(overlap !== undefined && { overlapSeconds: overlap }),
        }),
      ));
    } catch (error) {
      throw isKeyRefused(error) ? keyIsDead(credential, error) : error;
    } finally {
      await transport.disconnect();
    }
    const { keyIssuedAt } = (await registry.get(agentId))!;
    const { previousKeyExpiresAt } = (await registry.rotation(agentId)) ?? {};
    const pid = runningPid(state, agentId);
    const switched =
      pid === undefined
        ? undefined
        : await during(output, `waiting until process ${pid} uses the new key`, () =>
            uses(state, agentId, keyIssuedAt),
          );
    const old =
      Date.parse(previousKeyExpiresAt ?? '') > Date.now()
        ? `The old one works until ${previousKeyExpiresAt}.`
        : 'The old one does not work any more.';
    const apiKey = maskKey(newApiKey);
    output.result(
      { ok: true, agentId, apiKey, keyIssuedAt, previousKeyExpiresAt, running: pid !== undefined, switched },
      [`${agentId} has a new key (${apiKey}). ${old}`, ...used(pid, switched)].join('\n  '),
    );
  });
}

function requireIssuer(agentId: string, issuer: KeyIssuer | undefined): KeyIssuer {
  if (issuer) return issuer;
  throw new CleoError('E_ROTATE_UNAVAILABLE', `the backend of "${agentId}" cannot rotate keys`, {
    hint: 'Get a new key there, and store it: cleo agent register ID --api-url URL --api-key-stdin',
  });
}

function keyIsDead({ agentId, apiBaseUrl }: AgentCredential, cause: unknown): CleoError {
  return new CleoError(
    'E_AUTH_INVALID_TOKEN',
    `the backend refuses the stored key of "${agentId}", which is what a new one is asked with`,
    {
      hint: `Get a key at the backend, and store it: cleo agent register ${agentId} --api-url ${apiBaseUrl} --api-key-stdin`,
      cause,
      details: { agentId },
    },
  );
}

/** Whether the process that runs the agent uses the key of that time; waits a while for it. */
async function uses(state: State, agentId: string, issuedAt: string | undefined): Promise<boolean> {
  const address = controlAddress(state.dir, agentId);
  for (const until = performance.now() + SWITCH_MS; performance.now() < until; await sleep(LOOK_MS)) {
    const status = (await ask(address, '/status').catch(() => undefined)) as AgentStatus | undefined;
    if (status?.key?.issuedAt === issuedAt) return true;
  }
  return false;
}

function used(pid: number | undefined, switched: boolean | undefined): string[] {
  if (pid === undefined) return [];
  return [
    switched
      ? `Process ${pid}, which runs it, uses it.`
      : `Process ${pid}, which runs it, did not say in ${SWITCH_MS / 1_000} s that it uses it: see cleo agent status.`,
  ];
}
