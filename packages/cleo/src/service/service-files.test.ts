import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { launchdPlist } from './launchd-plist.ts';
import type { Service } from './service.ts';
import { systemdUnit } from './systemd-unit.ts';

const service: Service = {
  agentId: 'bob',
  command: ['/opt/node', '/opt/cleo/bin.js', 'agent', 'start', 'bob', '--exec', `jq '.a < "b" && c' > 'ü'`],
  workingDirectory: '/home/bob/my agent',
  environment: { CLEO_DIR: '/home/bob/.cleo', PATH: '/bin' },
  stateDir: '/home/bob/.cleo',
  stopSeconds: 60,
};
const facts = { version: 252, notify: true, environmentFile: '/home/bob/.config/cleo/bob.env' };

describe('a unit of systemd', () => {
  it('is watched where the agent can speak, and only started where it cannot', () => {
    expect(systemdUnit(service, facts)).toMatch(
      /\nType=notify\n(?:.*\n)*NotifyAccess=all\nWatchdogSec=120\n/,
    );
    const silent = systemdUnit(service, { ...facts, notify: false });
    expect(silent).toContain('\nType=exec\n');
    expect(silent).not.toContain('Watchdog');
  });

  it('backs off where systemd knows how', () => {
    expect(systemdUnit(service, facts)).not.toContain('RestartSteps');
    expect(systemdUnit(service, { ...facts, version: undefined })).not.toContain('RestartSteps');
    expect(systemdUnit(service, { ...facts, version: 254 })).toContain(
      '\nRestartSteps=6\nRestartMaxDelaySec=60\n',
    );
  });

  it('refuses a folder that it could not name', () => {
    const workingDirectory = '/home/bob/two\nlines';
    expect(() => systemdUnit({ ...service, workingDirectory }, facts)).toThrow(
      expect.objectContaining({ code: 'E_USAGE' }),
    );
  });
});

describe('a property list of launchd', () => {
  const python = spawnSync('python3', ['--version']).status === 0;

  it.skipIf(!python)('is read back as it was meant', () => {
    const script = 'import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))';
    const read = execFileSync('python3', ['-c', script], { input: launchdPlist(service), encoding: 'utf8' });
    expect(JSON.parse(read)).toEqual({
      Label: 'org.cleocode.cleo.bob',
      ProgramArguments: service.command,
      WorkingDirectory: service.workingDirectory,
      EnvironmentVariables: service.environment,
      RunAtLoad: true,
      KeepAlive: true,
      ThrottleInterval: 10,
      ExitTimeOut: 60,
      Umask: 0o077,
      StandardOutPath: '/home/bob/.cleo/logs/bob.service.log',
      StandardErrorPath: '/home/bob/.cleo/logs/bob.service.log',
    });
  });

  it('refuses what XML cannot hold', () => {
    expect(() => launchdPlist({ ...service, command: ['\u0007'] })).toThrow(
      expect.objectContaining({ code: 'E_USAGE' }),
    );
  });
});
