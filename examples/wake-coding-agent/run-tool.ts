import { spawn } from 'node:child_process';

export interface Run {
  code: number | null;
  stdout: string;
  /** Its end. */
  stderr: string;
}

/** Far more than a tool says about one message. */
const STDOUT_BYTES = 32 * 1024 * 1024;
const STDERR_CHARS = 4_096;

/**
 * Runs a program without a shell, the prompt on its stdin. It stays in the process group of this one, so the handler's timeout
 * ends both. Rejects when it cannot be begun, or prints without an end.
 */
export function runTool(program: string, args: string[], prompt: string, cwd: string): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    let bytes = 0;
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= STDOUT_BYTES) return;
      child.kill('SIGKILL');
      reject(new Error(`${program} printed more than ${STDOUT_BYTES} bytes`));
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-STDERR_CHARS);
    });
    // A tool that ends without reading its input says why by other means.
    child.stdin.on('error', () => {});
    child.stdin.end(prompt);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout: Buffer.concat(chunks).toString(), stderr }));
  });
}
