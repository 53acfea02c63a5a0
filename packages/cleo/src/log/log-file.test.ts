import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { follow } from './follow.ts';
import { LogFile } from './log-file.ts';
import { readBack } from './read-back.ts';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cleo-log-'));
  file = join(dir, 'logs', 'bob.log');
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

const read = (path: string) => readFileSync(path, 'utf8');
const lines = (count: number) => Array.from({ length: count }, (_, index) => `line ${index} äöü`);

describe('LogFile', () => {
  it('is private, and begins a new file when it is full: whole lines, the oldest files gone', () => {
    const log = new LogFile(file, { maxBytes: 100, files: 3 });
    for (const line of lines(30)) expect(log.append(line)).toBe(true);
    log.close();
    expect(readdirSync(join(dir, 'logs')).toSorted()).toEqual(['bob.log', 'bob.log.1', 'bob.log.2']);
    const kept = ['bob.log.2', 'bob.log.1', 'bob.log'].map((name) => read(join(dir, 'logs', name)));
    expect(kept.every((text) => text.length <= 100 && text.endsWith('\n'))).toBe(true);
    expect(kept.join('').split('\n').slice(0, -1)).toEqual(
      lines(30).slice(-kept.join('').split('\n').length + 1),
    );
    expect([statSync(join(dir, 'logs')).mode & 0o777, statSync(file).mode & 0o777]).toEqual([0o700, 0o600]);
  });

  it('goes on in the file that is there, behind a line that a crash cut short', () => {
    mkdirSync(join(dir, 'logs'));
    writeFileSync(file, 'whole\nhal');
    new LogFile(file).append('next');
    expect(read(file)).toBe('whole\nhal\nnext\n');
  });

  it('leaves no half line where the disk is full, and goes on once it is not', () => {
    let room = 8;
    const write = ((fd: number, buffer: Buffer, offset: number) => {
      if (room === 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
      const taken = writeSync(fd, buffer, offset, Math.min(room, buffer.length - offset));
      room -= taken;
      return taken;
    }) as typeof writeSync;
    const log = new LogFile(file, { write });
    expect([log.append('one'), log.append('and two')]).toEqual([true, false]);
    expect(read(file)).toBe('one\n');
    room = 100;
    expect(log.append('three')).toBe(true);
    expect(read(file)).toBe('one\nthree\n');
  });

  it('grows where it cannot begin a new file', () => {
    mkdirSync(join(dir, 'logs', 'bob.log.3', 'in the way'), { recursive: true });
    mkdirSync(join(dir, 'logs', 'bob.log.4', 'in the way'), { recursive: true });
    const log = new LogFile(file, { maxBytes: 20 });
    for (const line of lines(5)) expect(log.append(line)).toBe(true);
    expect(read(file)).toBe(`${lines(5).join('\n')}\n`);
  });

  it('begins anew under its name when somebody has moved it away', () => {
    vi.spyOn(performance, 'now').mockReturnValueOnce(0).mockReturnValue(2_000);
    const log = new LogFile(file);
    log.append('one');
    renameSync(file, join(dir, 'kept'));
    vi.spyOn(performance, 'now').mockReturnValue(4_000);
    log.append('two');
    expect([read(join(dir, 'kept')), read(file)]).toEqual(['one\n', 'two\n']);
  });

  it('says what is in its way', () => {
    mkdirSync(file, { recursive: true });
    expect(() => new LogFile(file)).toThrow(
      expect.objectContaining({ code: 'E_LOG_UNWRITABLE', message: expect.stringContaining(file) }),
    );
  });
});

describe('readBack', () => {
  it('answers the last lines, over as many files as it takes', () => {
    const log = new LogFile(file, { maxBytes: 2_000, files: 5 });
    for (const line of lines(500)) log.append(line);
    log.close();
    for (const count of [0, 1, 7, 300, 10_000]) {
      const last = readBack(file, count).lines;
      const all = lines(500);
      expect(last).toEqual(count === 10_000 ? all.slice(-last.length) : all.slice(all.length - count));
    }
    expect(readBack(file, 10_000).lines.length).toBeGreaterThan(450);
  });

  it('reads no more than the end of a large file, also of one long line', () => {
    const log = new LogFile(file);
    log.append('x'.repeat(200_000));
    log.append('y'.repeat(100_000));
    expect(readBack(file, 1).lines).toEqual(['y'.repeat(100_000)]);
    expect(readBack(file, 2).lines.map((line) => line.length)).toEqual([200_000, 100_000]);
  });

  it('answers nothing where there is nothing', () => {
    expect(readBack(file, 10)).toEqual({ lines: [], at: undefined });
  });
});

describe('follow', () => {
  it('hands over each line once, through rotations, before the file is there and after it was made anew', async () => {
    const seen: string[] = [];
    const stop = new AbortController();
    const following = follow(file, undefined, (line) => seen.push(line), stop.signal);
    const log = new LogFile(file, { maxBytes: 300, files: 5 });
    const all = lines(60);
    for (let from = 0; from < 60; from += 20) {
      for (const line of all.slice(from, from + 20)) log.append(line);
      await vi.waitUntil(() => seen.length === from + 20);
    }
    rmSync(file);
    const again = new LogFile(file);
    again.append('anew');
    await vi.waitUntil(() => seen.includes('anew'));
    stop.abort();
    await following;
    expect(seen).toEqual([...all, 'anew']);
  });
});
