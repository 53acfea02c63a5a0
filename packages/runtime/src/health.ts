import {
  type Agent,
  type AuthStatus,
  type Inbox,
  type InboxStats,
  type IntakeMonitor,
  type Problem,
  type Realtime,
  type RealtimeState,
  services,
  type Transport,
} from '@cleocode/contracts';
import { type PresenceMonitor, type PresenceState, presence } from '@cleocode/plugin-heartbeat';
import { type KeyRotationMonitor, keyRotationMonitor } from '@cleocode/plugin-key-rotation';

/** Who knows how an agent is. A plugin that declares {@link healthServices} is given them. */
export interface HealthSources {
  agent: Pick<Agent, 'auth'>;
  transport: Pick<Transport, 'name'>;
  inbox: Pick<Inbox, 'stats'>;
  intake?: IntakeMonitor | undefined;
  realtime?: Realtime | undefined;
  presence?: Pick<PresenceMonitor, 'status'> | undefined;
  keyRotation?: Pick<KeyRotationMonitor, 'status'> | undefined;
}

/** The services to declare in order to be able to ask {@link agentHealth}. */
export const healthServices = {
  requires: { agent: services.agent, transport: services.transport, inbox: services.inbox },
  optional: {
    intake: services.intake,
    realtime: services.realtime,
    presence,
    keyRotation: keyRotationMonitor,
  },
};

/** What is wrong, and how much that matters. */
export interface HealthProblem extends Problem {
  /** `error`: the agent does not do what it is there for. `warning`: it does, by other means or for now. */
  severity: 'error' | 'warning';
}

/** How an agent is, as far as its parts can prove it. Ages are in milliseconds. */
export interface AgentHealth {
  /** No problem is an error. */
  healthy: boolean;
  /** Name of the transport. */
  transport: string;
  realtime: {
    /** `off`: there is no stream beside the transport. */
    state: RealtimeState | 'off';
    /** Since the latest proof that messages arrive, by stream or poll; absent before the first. */
    lastReceiveAgeMs?: number;
  };
  inbox: Omit<InboxStats, 'problems' | 'aside' | 'blocking'> & {
    /** Conversations that are set aside; absent while there is none. */
    aside?: number;
  };
  presence: {
    /** What others see. */
    state: PresenceState;
    /** Since the backend last took a heartbeat; absent before the first. */
    lastBeatAgeMs?: number;
  };
  /** Whether the backend takes the key, and when it issued it; absent where nobody keeps count of it. */
  key?: Pick<AuthStatus, 'state'> & { issuedAt?: string; ageMs?: number };
  /** What is wrong now and what to do about it, the worst first. */
  problems: HealthProblem[];
}

/** Asks everybody who knows. Cheap, and changes nothing. */
export function agentHealth(sources: HealthSources): AgentHealth {
  const { agent, transport, inbox, realtime } = sources;
  const { problems: inInbox, aside, blocking, ...counts } = inbox.stats();
  const intake = sources.intake?.health();
  const told = sources.presence?.status();
  const rotation = sources.keyRotation?.status();
  const live = realtime?.state === 'live';
  const auth = agent.auth?.();
  const unseen = told?.state === 'unknown';

  const problems = [
    ...(auth?.problem ? [as('error', auth.problem)] : []),
    ...inInbox.map(({ sinceMs: _, ...problem }) => as('error', problem)),
    ...(told?.problems ?? []).map((problem) => as('error', problem)),
    ...(told?.lastError ? [as(unseen ? 'error' : 'warning', told.lastError)] : []),
    ...(intake?.problem ? [as(live ? 'warning' : 'error', intake.problem)] : []),
    ...(aside ? [as('warning', problemOnly(aside))] : []),
    ...(blocking ? [as('warning', blocking)] : []),
    ...(rotation?.problem ? [as('warning', rotation.problem)] : []),
    ...(realtime?.problem && !live ? [as('warning', realtime.problem)] : []),
  ];
  const age = youngest(realtime?.lastReceiveAgeMs, intake?.lastReceiveAgeMs);
  return {
    healthy: problems.every(({ severity }) => severity !== 'error'),
    transport: transport.name,
    realtime: { state: realtime?.state ?? 'off', ...(age !== undefined && { lastReceiveAgeMs: age }) },
    inbox: { ...counts, ...(aside && { aside: aside.conversations }) },
    presence: {
      state: told?.state ?? 'off',
      ...(told?.lastBeatAgeMs !== undefined && { lastBeatAgeMs: Math.round(told.lastBeatAgeMs) }),
    },
    ...(auth && { key: keyOf(auth) }),
    problems: worstFirst(problems),
  };
}

function as(severity: HealthProblem['severity'], problem: Problem): HealthProblem {
  return { severity, ...problem };
}

function problemOnly({ code, message, hint }: Problem): Problem {
  return { code, message, hint };
}

function keyOf({ state, keyIssuedAt, keyAgeMs }: AuthStatus): AgentHealth['key'] {
  return {
    state,
    ...(keyIssuedAt !== undefined && { issuedAt: keyIssuedAt }),
    ...(keyAgeMs !== undefined && { ageMs: keyAgeMs }),
  };
}

function youngest(...ages: (number | undefined)[]): number | undefined {
  const known = ages.filter((age) => age !== undefined);
  return known.length > 0 ? Math.round(Math.min(...known)) : undefined;
}

/** Several parts may tell of the same trouble: each code once, by its worst. */
function worstFirst(problems: readonly HealthProblem[]): HealthProblem[] {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const all = [...errors, ...problems.filter(({ severity }) => severity === 'warning')];
  return all.filter(({ code }, index) => all.findIndex((other) => other.code === code) === index);
}
