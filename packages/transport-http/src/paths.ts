/** Below the API base: an agent, or a part of it. */
export function agentPath(agentId: string, part = ''): string {
  return `/agents/${encodeURIComponent(agentId)}${part && `/${part}`}`;
}

/** `?name=value&…` of what is given; empty when nothing is. */
export function queryOf(values: Record<string, string | number | undefined>): string {
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, `${value}`]],
  );
  return given.length > 0 ? `?${new URLSearchParams(given)}` : '';
}
