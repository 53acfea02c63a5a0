import { join } from 'node:path';
import { UsageError } from '../usage-error.ts';
import type { Service } from './service.ts';

type Value = string | number | boolean | string[] | Record<string, string>;

/** How launchd names the service. */
export function plistLabel(agentId: string): string {
  return `org.cleocode.cleo.${agentId}`;
}

/** Where its output goes. */
export function plistLog({ stateDir, agentId }: Pick<Service, 'stateDir' | 'agentId'>): string {
  return join(stateDir, 'logs', `${agentId}.service.log`);
}

/** A property list for the user's own launchd. It restarts after every end, and knows no watchdog. */
export function launchdPlist(service: Service): string {
  const { agentId, command, workingDirectory, environment, stopSeconds } = service;
  const log = plistLog(service);
  const values: Record<string, Value> = {
    Label: plistLabel(agentId),
    ProgramArguments: command,
    WorkingDirectory: workingDirectory,
    EnvironmentVariables: environment,
    RunAtLoad: true,
    KeepAlive: true,
    ThrottleInterval: 10,
    ExitTimeOut: stopSeconds,
    Umask: 0o077,
    StandardOutPath: log,
    StandardErrorPath: log,
  };
  const rows = Object.entries(values).flatMap(([key, value]) => [element('key', key), xml(value)]);
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
${rows.join('\n')}
</dict>
</plist>
`;
}

function xml(value: Value): string {
  if (typeof value === 'string') return element('string', value);
  if (typeof value === 'number') return element('integer', String(value));
  if (typeof value === 'boolean') return value ? '<true/>' : '<false/>';
  if (Array.isArray(value)) return `<array>\n${value.map(xml).join('\n')}\n</array>`;
  const rows = Object.entries(value).flatMap(([key, one]) => [element('key', key), xml(one)]);
  return `<dict>\n${rows.join('\n')}\n</dict>`;
}

function element(name: string, text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what XML cannot hold
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text))
    throw new UsageError(
      `${JSON.stringify(text)} cannot stand in a property list`,
      'Leave the control characters out.',
    );
  const escaped = text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;');
  return `<${name}>${escaped}</${name}>`;
}
